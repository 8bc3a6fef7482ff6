from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.labs.jira import JiraLab


class TestJira(ConnectorSuite):
    """Ids are listed by search, issues fetched by id."""

    lab_class = JiraLab
