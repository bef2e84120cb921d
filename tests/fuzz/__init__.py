"""Seeded fuzz runs that take minutes. `python -m tests.fuzz.environments SEED SECONDS` runs one by hand."""
