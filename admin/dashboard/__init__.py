"""The deployed dashboard as an HTML page."""
