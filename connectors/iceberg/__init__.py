"""Iceberg tables as a destination: catalogs and commits by pyiceberg, merging by our own copy-on-write."""
