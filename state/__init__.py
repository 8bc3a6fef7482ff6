"""Operational state over a key-value store: catalogs, units, checkpoints; and the store's table driver."""
