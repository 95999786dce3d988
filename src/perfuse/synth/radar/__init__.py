"""What a radar sees of the same body."""
