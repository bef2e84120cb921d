"""Keys: issue, rotate, revoke, disable, enable, import, export."""
