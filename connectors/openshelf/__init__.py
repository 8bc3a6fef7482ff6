"""Openshelf as a source: books, authors and loans of a lending service."""
