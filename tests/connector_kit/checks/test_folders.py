"""Documents in folders, read part by part: what the kit promises of such units."""

from __future__ import annotations

import pytest

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.systems.folders import DocumentsTestSystem
from tests.exactness.executors import PROVE

pytestmark = pytest.mark.slow(0.4)


class TestDocuments(ConnectorSuite):
    """All checks under `make prove`."""

    system_class = DocumentsTestSystem
    only = () if PROVE else ("plan", "incremental", "state", "errors.mixed", "errors.retry-after")
