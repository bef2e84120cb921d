"""Reports: rollups read by day, added up, and written as tables, files or one HTML page."""
