"""What happens before the camera: lights, motion, expressions, background, and the pictures they make."""
