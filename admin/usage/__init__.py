"""Who used what, from rollups, rows and lines."""
