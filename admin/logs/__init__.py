"""Queries of the logs, and the replay of usage lines that are missing in the ledger."""
