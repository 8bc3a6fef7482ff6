"""A book-lending service on loopback: a small REST API with cursors, page numbers, a rate limit and faults."""

from sandbox.openshelf.server import SandboxOpenshelf, ShelfFaults
from sandbox.openshelf.site import ShelfSite

__all__ = ["SandboxOpenshelf", "ShelfFaults", "ShelfSite"]
