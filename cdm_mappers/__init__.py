"""Common data models as data, the mappers from source rows to them, and the registry that finds a mapper."""
