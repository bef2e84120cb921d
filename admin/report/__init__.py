"""Usage reports: read rollups, add them up, and write them as table, file or HTML page."""
