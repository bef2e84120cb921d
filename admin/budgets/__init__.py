"""Budgets: where they stand, where they go, and more for a while."""
