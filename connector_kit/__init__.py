"""What the author of a connector works with: recorded traffic, checks, promotion of a notebook, its template."""
