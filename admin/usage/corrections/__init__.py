"""Corrections of requests that were booked at a wrong cost."""
