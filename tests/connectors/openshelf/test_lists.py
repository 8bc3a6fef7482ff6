"""Loans and authors, whose lists are not like that of the books: the checks that see the difference."""

from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connectors.openshelf.lists import AuthorsLab, LoansLab


class TestLoans(ConnectorSuite):
    """One slice that grows at its end."""

    lab_class = LoansLab
    only = ("pages.every-row", "incremental", "state", "resume")


class TestAuthors(ConnectorSuite):
    """Numbered pages that shift."""

    lab_class = AuthorsLab
    only = ("plan", "pages", "resume", "errors.keys")
