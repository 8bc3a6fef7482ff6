from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.labs.openshelf import AuthorsLab, BooksLab, LoansLab


class TestBooks(ConnectorSuite):
    """Windows of time; every check."""

    lab_class = BooksLab


class TestLoans(ConnectorSuite):
    """One slice that grows at its end."""

    lab_class = LoansLab
    only = ("pages.every-row", "incremental", "state", "resume")


class TestAuthors(ConnectorSuite):
    """Numbered pages that shift."""

    lab_class = AuthorsLab
    only = ("plan", "pages", "resume", "errors.keys")
