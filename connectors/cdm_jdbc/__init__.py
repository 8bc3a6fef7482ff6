"""Rows of common models in a database, in tables that several sources share."""
