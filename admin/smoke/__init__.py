"""`tollgate smoke`: the checklist of a new deployment."""
