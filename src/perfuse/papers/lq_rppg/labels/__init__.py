"""Stage 1: what becomes of a label before a network learns from it; and the code books it is rounded with."""
