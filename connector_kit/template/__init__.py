"""The notebook that a new connector begins with; see ``new``."""
