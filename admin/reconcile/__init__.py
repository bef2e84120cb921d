"""`tollgate reconcile`: the ledger compared with a provider's own export."""
