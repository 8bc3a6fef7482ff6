"""What the registry loads for ``http.jira``."""

from __future__ import annotations

from connectors.http.registration import source_only
from connectors.jira.config import JiraConfig
from connectors.jira.descriptor import DESCRIPTOR
from connectors.jira.source import JiraSource

FACTORY = source_only(DESCRIPTOR, JiraConfig, JiraSource)
