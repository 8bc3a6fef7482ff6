from __future__ import annotations

import pytest

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.labs.openshelf import AuthorsLab, BooksLab, LoansLab


class TestOpenshelf(ConnectorSuite):
    @pytest.fixture(params=[BooksLab, LoansLab, AuthorsLab])
    def lab(self, request):
        with request.param() as lab:
            yield lab
