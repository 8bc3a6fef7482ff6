"""A Confluence Cloud site on loopback: the documented v2 and v1 REST behaviour, limits and faults, over any data."""

from sandbox.confluence.server import ConfluenceFaults, SandboxConfluence
from sandbox.confluence.site import ConfluenceSite

__all__ = ["ConfluenceFaults", "ConfluenceSite", "SandboxConfluence"]
