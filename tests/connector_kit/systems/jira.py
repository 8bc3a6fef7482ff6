"""A site of Jira as a test system."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Any

from connector_kit.checks.local_system import LocalTestSystem
from connector_kit.checks.system import FieldLocation, PageLocation, TestSystem
from connector_kit.recording.page_shape import PageShape
from connectors.jira.factory import FACTORY
from sandbox.jira import JiraSite, SandboxJira

if TYPE_CHECKING:
    from datetime import datetime


_BY_CLOCK = dict.fromkeys(
    ("incremental.part-watermarks", "incremental.part-appears", "incremental.part-meanwhile"),
    "a project's watermark is the site's clock, not its newest row: test_progress_of_projects",
)


class JiraTestSystem(LocalTestSystem[SandboxJira]):
    """A small site; after a check that changes it, a new one is started."""

    factory = FACTORY
    unit_id = "jira.issues"
    pages = PageLocation("/search/jql", PageShape("issues", next="nextPageToken"), method="POST")
    rows = PageLocation("/issue/bulkfetch", PageShape("issues"), method="POST")
    fields = {
        "text": FieldLocation("fields.summary", "summary"),
        "timestamp": FieldLocation("fields.updated", "updated"),
    }
    settings = {"page_size": 15, "slice_issues": 40}
    smallest_overlap = {"overlap_s": 60}
    narrower = {"project_keys": ("AND",)}
    not_narrowing = ("cloud_id", "email", "gateway_url", "slice_issues")
    exceptions = _BY_CLOCK
    buffered_rows = 600
    site: dict[str, Any] = {"projects": ("AND", "OPS"), "issues": 110}

    def start(self) -> SandboxJira:
        return self._started(JiraSite(**self.site))

    def config(self, url: str) -> dict[str, Any]:
        return {"base_url": url, "email": self.server.email, "api_token": self.server.token}

    def timestamp(self, moment: datetime) -> str:
        """As Jira writes it: no colon in the offset."""
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}{moment:%z}"

    def keys(self) -> set[str]:
        return {issue.issue_id for issue in self.server.site.issues()}

    def change(self, count: int) -> set[str]:
        site = self.server_to_change.site
        site.pass_time(3600)
        changed = sorted(site.issues(), key=lambda issue: issue.updated_ms)[:count]
        for issue in changed:
            site.edit(issue, summary="changed")
        return {issue.issue_id for issue in changed}

    def change_late(self, seconds: float) -> str:
        site = self.server_to_change.site
        issue, moment = site.issues()[0], site.now_ms - int(seconds * 1000)
        site.edit(issue, summary="late")
        with site.lock:
            site._by_updated.remove((issue.updated_ms, issue.issue_id))
            issue.updated_ms = moment
            bisect.insort(site._by_updated, (moment, issue.issue_id))
            issue.rendered.clear()
        return issue.issue_id

    def remove(self) -> str:
        site = self.server_to_change.site
        issue = site.issues()[4]
        site.delete(issue)
        return issue.issue_id

    def grow(self, rows: int) -> None:
        self.close()
        self._server = self._started(JiraSite(projects=("AND",), issues=rows, comments=0, worklogs=0))
        self._changed = True

    def _started(self, site: JiraSite) -> SandboxJira:
        server = SandboxJira(site).start()
        server.api.most_ids = 12
        return server


_BY_POSITION = "the list is asked for by position, where the kit cannot move rows to a later page"


class _ListedTestSystem(JiraTestSystem):
    """Of what the API lists whole; the site does not take any of it away."""

    rows = None
    exceptions = dict.fromkeys(("pages.short", "pages.empty", "pages.empty-first"), _BY_POSITION)

    def remove(self) -> str:
        return TestSystem.remove(self)

    def change(self, count: int) -> set[str]:
        return TestSystem.change(self, count)


class ProjectsTestSystem(_ListedTestSystem):
    """By place in the list."""

    unit_id = "jira.projects"
    site = {"projects": [f"P{number}" for number in range(230)], "issues": 10}
    pages = PageLocation("/project/search", PageShape("values"), total="total")
    fields = {"text": FieldLocation("name", "name")}

    def keys(self) -> set[str]:
        return {project["id"] for project in self.server.site.projects(("live", "archived"))}


class UsersTestSystem(_ListedTestSystem):
    """Until a page is empty."""

    unit_id = "jira.users"
    site = {"people": 450, "issues": 10}
    pages = PageLocation("/users/search", PageShape(""), key="accountId")
    fields = {"text": FieldLocation("displayName", "display_name")}

    def keys(self) -> set[str]:
        return {person["accountId"] for person in self.server.site.people()}


class CommentsTestSystem(JiraTestSystem):
    """Come inside of their issues."""

    unit_id = "jira.comments"
    fields = {}
    exceptions = {
        **_BY_CLOCK,
        "pages.every-row": "the rows are inside of issues, where the kit does not look",
        "state.missing-holds": "the rows are inside of issues, of which the kit takes none away",
        **dict.fromkeys(
            ("incremental.at-watermark", "incremental.overlap"),
            "the cursor is the issue's: the same checks of jira.issues date that back",
        ),
    }

    def keys(self) -> set[str]:
        return {child.child_id for issue in self.server.site.issues() for child in issue.comments}

    def change(self, count: int) -> set[str]:
        site = self.server_to_change.site
        site.pass_time(3600)
        return {site.comment(issue, "new").child_id for issue in site.issues()[:count]}

    def change_late(self, seconds: float) -> str:
        return TestSystem.change_late(self, seconds)

    def remove(self) -> str:
        site = self.server_to_change.site
        issue = next(issue for issue in site.issues() if issue.comments)
        child = issue.comments[0]
        site.remove_child(issue, child)
        return child.child_id
