"""What the body does: heart and lungs, and the waves they send."""
