"""What the Jira tests share: runs of a sandbox site's units into real sinks, and comparison with the site's data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cdm_mappers.models import model_of
from cdm_mappers.registry import CdmMapperRegistry
from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.cdm_jdbc.sink import CdmSink
from connectors.jira.config import JiraConfig
from connectors.jira.source import JiraSource
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from sandbox.jira.render import Renderer
from tests.connectors.ingestion import Ingestion

if TYPE_CHECKING:
    from contracts.receipts import RunSummary
    from contracts.unit import DataMode, EndpointUnitDescriptor, IngestionMode
    from flows.stages.plan import RunRequest
    from sandbox.jira import JiraSite, SandboxJira

QUICK = {"retry_pause_s": 0.005, "request_timeout_s": 5.0, "slice_issues": 20, "concurrency": 4, "max_tries": 30}
UNITS = ("projects", "users", "issues", "comments", "worklogs")


def source_of(server: SandboxJira, **settings: Any) -> JiraSource:
    """A source over the sandbox, quick to retry and with small slices."""
    given = {"base_url": server.url, "email": server.email, "api_token": server.token, **QUICK, **settings}
    return JiraSource(JiraConfig.model_validate(given))


class JiraIngestion(Ingestion):
    """Runs of a site's units into one database, as raw rows or as a common model's."""

    def __init__(
        self,
        server: SandboxJira,
        sink_url: str,
        endpoint_id: str = "site",
        data_mode: DataMode = "raw",
        **settings: Any,
    ) -> None:
        sinks = {
            "cdm": lambda: CdmSink(CdmJdbcConfig.model_validate({"url": sink_url})),
            "raw": lambda: PostgresSink(PostgresConfig.model_validate({"url": sink_url})),
        }
        source = source_of(server, **settings)
        super().__init__(source, sinks[data_mode](), sink_url, endpoint_id=endpoint_id, sink_id=data_mode)
        self.server, self.data_mode = server, data_mode
        self._units: dict[str, EndpointUnitDescriptor] = {}

    def unit(self, name: str) -> EndpointUnitDescriptor:
        """A unit of a catalog collected once."""
        if not self._units:
            catalog = self.source.collect_catalog(self.endpoint_id)
            self._units = {unit.dataset.name: unit for unit in self.source.list_units(catalog)}
        return self._units[name]

    def request(self, name: str, mode: IngestionMode = "full", **policy: Any) -> RunRequest:
        """What a run of the unit is asked; in data mode cdm its table is made first."""
        request = super().request(name, mode, **policy)
        if not isinstance(self.sink, CdmSink) or request.unit.cdm_model_id is None:
            return request
        model = model_of(request.unit.cdm_model_id)
        self.sink.provision_model(model)
        return request.model_copy(update={"cdm_model": model})

    def execute(self, request: RunRequest, **how: Any) -> RunSummary:
        """With the mapper to the common model, if there is one."""
        if (model := request.cdm_model) is not None:
            how |= {"mapper": CdmMapperRegistry().find("http", request.unit.kind, model.model_id), "keep_staged": True}
        return super().execute(request, **how)

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
