"""A notebook's tagged cells become the modules of a connector; see ``promotion``."""
