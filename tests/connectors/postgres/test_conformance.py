from __future__ import annotations

import pytest

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.systems.postgres import PostgresTestSystem

pytestmark = pytest.mark.postgres


class TestPostgres(ConnectorSuite):
    """What does not depend on HTTP."""

    system_class = PostgresTestSystem
    only = (
        "capabilities", "catalog", "plan", "schema.batches", "incremental", "state", "resume", "memory.released",
        "secrets.in-rows", "secrets.in-config", "secrets.in-logs",
    )  # fmt: skip
