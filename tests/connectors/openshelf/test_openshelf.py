"""What every source over HTTP promises, checked for ``http.openshelf``."""

from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connectors.openshelf.system import OpenshelfTestSystem


class TestOpenshelf(ConnectorSuite):
    system_class = OpenshelfTestSystem
