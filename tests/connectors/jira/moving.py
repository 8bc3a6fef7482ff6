"""What the Jira tests share: runs of a sandbox site's units into real sinks, and comparison with the site's data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from connectors.jira.config import JiraConfig
from connectors.jira.source import JiraSource
from sandbox.jira.render import Renderer
from tests.connectors.ingestion import SiteIngestion

if TYPE_CHECKING:
    from contracts.unit import DataMode
    from sandbox.jira import JiraSite, SandboxJira

QUICK = {"retry_pause_s": 0.005, "request_timeout_s": 5.0, "slice_issues": 20, "concurrency": 4, "max_tries": 30}
UNITS = ("projects", "users", "issues", "comments", "worklogs")


def settings_of(server: SandboxJira, **settings: Any) -> dict[str, Any]:
    """A config over the stand-in, quick to retry and with small slices."""
    return {"base_url": server.url, "email": server.email, "api_token": server.token, **QUICK, **settings}


def source_of(server: SandboxJira, **settings: Any) -> JiraSource:
    """A source over the sandbox, quick to retry and with small slices."""
    return JiraSource(JiraConfig.model_validate(settings_of(server, **settings)))


class JiraIngestion(SiteIngestion):
    """Runs of a site's units into one database, as raw rows or as a common model's."""

    def __init__(
        self,
        server: SandboxJira,
        sink_url: str,
        endpoint_id: str = "site",
        data_mode: DataMode = "raw",
        **settings: Any,
    ) -> None:
        super().__init__(source_of(server, **settings), sink_url, endpoint_id=endpoint_id, data_mode=data_mode)
        self.server = server

    def raw(self, name: str) -> dict[str, Any]:
        """Raw payloads in the sink by key."""
        key = self.unit(name).primary_key[0]
        table = f'"{self.unit(name).dataset.namespace}".{name}'
        return {
            row[0]: json.loads(row[1]) for row in self.query(f"SELECT {key}::text AS k, raw::text AS r FROM {table}")
        }


def truth(site: JiraSite, name: str) -> dict[str, Any]:
    """What the site holds, by key, rendered as it answers."""
    render = Renderer(site)
    if name == "projects":
        return {one["id"]: {k: v for k, v in one.items() if k != "next"} for one in site.projects(("live", "archived"))}
    if name == "users":
        return {one["accountId"]: one for one in site.people()}
    if name == "issues":
        fields = ("*all", "-comment", "-worklog")
        return {one.issue_id: json.loads(render.issue(one, fields, search=False)) for one in site.issues()}
    if name == "comments":
        return {one.child_id: render.comment(one, issue) for issue in site.issues() for one in issue.comments}
    return {one.child_id: render.worklog(one, issue) for issue in site.issues() for one in issue.worklogs}


def assert_equal(mover: JiraIngestion, *names: str) -> None:
    """Entity by entity, field by field."""
    for name in names or UNITS:
        theirs, ours = truth(mover.server.site, name), mover.raw(name)
        lost, extra = set(theirs) - set(ours), set(ours) - set(theirs)
        assert not lost, f"{name}: {len(lost)} lost, {sorted(lost)[:5]}"
        assert not extra, f"{name}: {len(extra)} not at the source, {sorted(extra)[:5]}"
        different = [key for key in theirs if theirs[key] != ours[key]]
        assert not different, f"{name}: {different[:3]}: {theirs[different[0]]} is {ours[different[0]]}"
