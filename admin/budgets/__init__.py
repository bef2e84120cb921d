"""Budgets: status, forecast and temporary raises."""
