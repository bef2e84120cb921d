"""Providers: their secrets, and whether they answer."""
