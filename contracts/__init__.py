"""Floor 0: the promises the rooms make each other. Only the standard library and pydantic live here."""
