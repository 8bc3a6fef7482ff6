from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.systems.confluence import AttachmentsTestSystem, SpacesTestSystem


class TestSpaces(ConnectorSuite):
    """One list, read in full."""

    system_class = SpacesTestSystem
    only = ("catalog", "plan", "schema.no-key", "pages", "errors.refused", "incremental.removed")


class TestAttachments(ConnectorSuite):
    """A list of the whole site, the newest first."""

    system_class = AttachmentsTestSystem
