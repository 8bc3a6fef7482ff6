"""What the registry loads for ``http.onedrive``."""

from __future__ import annotations

from connectors.http.registration import source_only
from connectors.onedrive.config import OneDriveConfig
from connectors.onedrive.descriptor import DESCRIPTOR
from connectors.onedrive.source import OneDriveSource

FACTORY = source_only(DESCRIPTOR, OneDriveConfig, OneDriveSource)
