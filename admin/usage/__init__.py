"""Usage, from rollups, usage rows and log lines."""
