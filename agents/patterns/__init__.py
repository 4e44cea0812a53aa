"""Ways for members to work together."""
