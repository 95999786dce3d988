"""What a camera makes of light: timing, exposure, noise, curve and compression."""
