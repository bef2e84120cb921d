"""Verification of rollups and accounts against the usage rows, and their repair."""
