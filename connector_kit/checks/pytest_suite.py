"""The checks as tests: subclass :class:`ConnectorSuite`, give ``lab``, and the connector is tested::

    class TestAcme(ConnectorSuite):
        @pytest.fixture
        def lab(self):
            with AcmeLab() as lab:
                yield lab
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from connector_kit.checks.every import CHECKS
from connector_kit.checks.run import run_check

if TYPE_CHECKING:
    from connector_kit.checks.lab import Lab


class ConnectorSuite:
    """One test per check. An exception of the lab is an expected failure, a check that cannot be made is a skip."""

    @pytest.fixture
    def lab(self) -> Lab:
        """The lab; to be given by the subclass."""
        raise NotImplementedError

    @pytest.mark.parametrize("check_id", CHECKS)
    def test_conforms(self, lab: Lab, check_id: str) -> None:
        """The connector keeps the promise."""
        found = run_check(lab, CHECKS[check_id])
        if found.verdict == "skipped":
            pytest.skip(found.reason)
        if found.verdict == "excepted":
            pytest.xfail(found.reason)
        if not found.good:
            lines = [f"{check_id}: {found.title}", f"sent: {found.sent}", f"received: {found.received}"]
            pytest.fail("\n".join([*lines, f"expected: {found.expected}", found.reason]), pytrace=False)
