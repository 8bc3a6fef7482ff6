"""What every source over HTTP promises, checked for ``http.openshelf``."""

from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connectors.openshelf.lab import OpenshelfLab


class TestOpenshelf(ConnectorSuite):
    lab_class = OpenshelfLab
