"""Questions to the logs, and booking what the ledger lacks."""
