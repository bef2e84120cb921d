"""Keys: issued, rotated, switched off and on, taken over."""
