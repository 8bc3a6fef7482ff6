"""Loans and authors, whose lists are not like that of the books: the checks that see the difference."""

from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connectors.openshelf.list_systems import AuthorsTestSystem, LoansTestSystem


class TestLoans(ConnectorSuite):
    """One slice that grows at its end."""

    system_class = LoansTestSystem
    only = ("pages.every-row", "incremental", "state", "resume")


class TestAuthors(ConnectorSuite):
    """Numbered pages that shift."""

    system_class = AuthorsTestSystem
    only = ("plan", "pages", "resume", "errors.keys")
