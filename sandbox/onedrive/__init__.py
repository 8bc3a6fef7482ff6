"""Microsoft Graph v1.0 drives on loopback: the documented behaviour, its traps and its faults, over any data."""

from sandbox.onedrive.server import OneDriveFaults, SandboxOneDrive
from sandbox.onedrive.site import DriveSite

__all__ = ["DriveSite", "OneDriveFaults", "SandboxOneDrive"]
