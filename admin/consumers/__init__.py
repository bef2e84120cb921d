"""Consumers: who they are, and their switch."""
