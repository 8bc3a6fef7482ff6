"""What the registry loads for ``http.confluence``."""

from __future__ import annotations

from connectors.confluence.config import ConfluenceConfig
from connectors.confluence.descriptor import DESCRIPTOR
from connectors.confluence.source import ConfluenceSource
from connectors.http.registration import source_only

FACTORY = source_only(DESCRIPTOR, ConfluenceConfig, ConfluenceSource)
