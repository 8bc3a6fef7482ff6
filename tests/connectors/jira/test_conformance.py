from __future__ import annotations

from connector_kit.checks.pytest_suite import ConnectorSuite
from tests.connector_kit.labs.jira import CommentsLab, JiraLab, ProjectsLab, UsersLab

LISTED = (
    "plan",
    "schema",
    "pages",
    "resume",
    "errors.refused",
    "errors.keys",
    "errors.staying-403",
    "secrets.in-errors",
)


class TestIssues(ConnectorSuite):
    """Ids are listed by search, issues fetched by id; every check."""

    lab_class = JiraLab


class TestComments(ConnectorSuite):
    """They come with their issues."""

    lab_class = CommentsLab
    only = ("plan", "pages.every-row", "incremental", "state", "errors.refused", "errors.keys", "errors.staying-403")


class TestProjects(ConnectorSuite):
    """Listed by place."""

    lab_class = ProjectsLab
    only = LISTED


class TestUsers(ConnectorSuite):
    """Listed until a page is empty."""

    lab_class = UsersLab
    only = LISTED
