"""The checks as tests; the one module of the kit that needs pytest.

A connector's test file is this::

    class TestAcme(ConnectorSuite):
        lab_class = AcmeLab
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from connector_kit.checks.every import CHECKS, chosen
from connector_kit.checks.run import run_check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.checks.lab import Lab


class ConnectorSuite:
    """One test per check. An exception of the lab is an expected failure, a check that cannot be made is a skip.

    Attributes:
        lab_class: Makes the lab, once for all tests of the class; or override the fixture ``lab``.
        only: Ids of checks or names of groups; all when empty.
    """

    lab_class: ClassVar[type[Lab]]
    only: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def lab(cls) -> Iterator[Lab]:
        """The lab."""
        with cls.lab_class() as lab:
            yield lab

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for each check."""
        if "check_id" in metafunc.fixturenames:
            only = getattr(metafunc.cls, "only", ())
            metafunc.parametrize("check_id", [check.check_id for check in chosen(only or None)])

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
