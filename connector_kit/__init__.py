"""What an author of a connector works with: recorded traffic, a conformance kit, promotion of a notebook to modules."""
