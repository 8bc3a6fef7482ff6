from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.systems.onedrive import DriveItemsTestSystem, DrivesTestSystem


class TestItems(ConnectorSuite):
    """Each drive's feed is followed; every check."""

    system_class = DriveItemsTestSystem


class TestDrives(ConnectorSuite):
    """A list; what values come out as."""

    system_class = DrivesTestSystem
    only = ("rows", "clock", "pages.every-row", "errors.keys", "secrets.in-errors")
