"""The deployed dashboard, drawn as a page."""
