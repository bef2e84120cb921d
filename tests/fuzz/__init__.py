"""Seeded fuzz runs that take minutes: `make fuzz`, or `python -m tests.fuzz PART SEED SECONDS` for one part."""
