"""Notebooks: tours of the connectors and of the stages, and the sandboxes they run against."""
