from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.systems.onedrive import DriveItemsTestSystem


class TestItems(ConnectorSuite):
    """Each drive's feed is followed; every check."""

    system_class = DriveItemsTestSystem
