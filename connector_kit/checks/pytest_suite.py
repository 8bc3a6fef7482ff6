"""The checks as tests; the one module of the kit that needs pytest.

A connector's test file is this::

    class TestAcme(ConnectorSuite):
        system_class = AcmeTestSystem
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pytest

from connector_kit.checks.all_checks import CHECKS, chosen
from connector_kit.checks.check import TRY_IT
from connector_kit.checks.run import run_check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.checks.system import TestSystem


class ConnectorSuite:
    """One test per check.

    An exception of the test system is an expected failure. A check with nothing to try is skipped; a core check that
    stays untried fails.

    Attributes:
        system_class: Makes the test system, once for all tests of the class; or override the fixture ``system``.
        only: Ids of checks or names of groups; all when empty.
    """

    system_class: ClassVar[type[TestSystem]]
    only: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture(scope="class")
    @classmethod
    def system(cls) -> Iterator[TestSystem]:
        """The test system."""
        with cls.system_class() as system:
            yield system

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A test for each check."""
        if "check_id" in metafunc.fixturenames:
            only = getattr(metafunc.cls, "only", ())
            metafunc.parametrize("check_id", [check.check_id for check in chosen(only or None)])

    def test_conforms(self, system: TestSystem, check_id: str) -> None:
        """The connector keeps the promise."""
        result = run_check(system, CHECKS[check_id])
        if result.verdict in {"skipped", "untried"} and result.good:
            pytest.skip(result.reason)
        if result.verdict == "excepted":
            pytest.xfail(result.reason)
        if result.verdict == "untried":
            pytest.fail(f"{check_id}: {result.title}\nnot tried: {result.reason}\n{TRY_IT}", pytrace=False)
        if not result.good:
            lines = [f"{check_id}: {result.title}", f"sent: {result.sent}", f"received: {result.received}"]
            pytest.fail("\n".join([*lines, f"expected: {result.expected}", result.reason]), pytrace=False)
