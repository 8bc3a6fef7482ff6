from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.systems.jira import CommentsTestSystem, JiraTestSystem, ProjectsTestSystem, UsersTestSystem

LISTED = (
    "plan",
    "schema",
    "pages",
    "resume",
    "errors.refused",
    "errors.keys",
    "errors.staying-403",
    "errors.login-lapses",
    "secrets.in-errors",
)


class TestIssues(ConnectorSuite):
    """Ids are listed by search, issues fetched by id; every check."""

    system_class = JiraTestSystem


class TestComments(ConnectorSuite):
    """They come with their issues."""

    system_class = CommentsTestSystem
    only = ("plan", "pages.every-row", "incremental", "state", "errors.refused", "errors.keys", "errors.staying-403")


class TestProjects(ConnectorSuite):
    """Listed by position."""

    system_class = ProjectsTestSystem
    only = LISTED


class TestUsers(ConnectorSuite):
    """Listed until a page is empty."""

    system_class = UsersTestSystem
    only = LISTED
