"""Checks of the deployed environment."""
