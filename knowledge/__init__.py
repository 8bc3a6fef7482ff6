"""The graph of endpoints, datasets, units, runs and common models; never a row."""
