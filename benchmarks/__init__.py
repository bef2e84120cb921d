"""Measurements of the product. Each module is a program."""
