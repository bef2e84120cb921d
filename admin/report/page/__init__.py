"""The usage report as one HTML file."""
