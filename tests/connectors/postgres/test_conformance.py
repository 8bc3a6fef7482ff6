from __future__ import annotations

import pytest

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.labs.postgres import PostgresLab

pytestmark = pytest.mark.postgres


class TestPostgres(ConnectorSuite):
    """What does not depend on HTTP."""

    lab_class = PostgresLab
    only = (
        "capabilities", "catalog", "plan", "schema.batches", "incremental", "state", "resume", "memory.released",
        "secrets.in-rows", "secrets.in-config", "secrets.in-logs",
    )  # fmt: skip
