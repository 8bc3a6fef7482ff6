"""What the Jira tests share: runs of a sandbox site's units into real sinks, and comparison with the site's truth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from cdm_mappers.models import model_of
from cdm_mappers.registry import CdmMapperRegistry
from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.cdm_jdbc.sink import CdmSink
from connectors.jira.config import JiraConfig
from connectors.jira.source import JiraSource
from connectors.postgres.client import PostgresClient
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from contracts.receipts import RunRef
from contracts.unit import UnitPolicy
from flows.stages.plan import RunRequest
from flows.stages.run import UnitRun
from sandbox.jira.render import Renderer
from staging.memory import MemoryStaging

if TYPE_CHECKING:
    from contracts.model import Json
    from contracts.receipts import RunSummary
    from contracts.unit import DataMode, EndpointUnitDescriptor, IngestionMode
    from sandbox.jira import JiraSite, SandboxJira

QUICK = {"retry_pause_s": 0.005, "request_timeout_s": 5.0, "slice_issues": 20, "concurrency": 4, "max_tries": 30}
UNITS = ("projects", "users", "issues", "comments", "worklogs")


def source_of(server: SandboxJira, **settings: Any) -> JiraSource:
    """A source over the sandbox, quick to retry and with small slices."""
    given = {"base_url": server.url, "email": server.email, "api_token": server.token, **QUICK, **settings}
    return JiraSource(JiraConfig.model_validate(given))


class Mover:
    """Runs of a site's units into one database, remembering the checkpoint of each."""

    def __init__(
        self,
        server: SandboxJira,
        sink_url: str,
        endpoint_id: str = "site",
        data_mode: DataMode = "raw",
        **settings: Any,
    ) -> None:
        self.server, self.endpoint_id, self.data_mode = server, endpoint_id, data_mode
        self.source = source_of(server, **settings)
        cdm, raw = CdmJdbcConfig.model_validate({"url": sink_url}), PostgresConfig.model_validate({"url": sink_url})
        self.sink = CdmSink(cdm) if data_mode == "cdm" else PostgresSink(raw)
        self.staging = MemoryStaging()
        self.checkpoints: dict[str, Json | None] = {}
        self._look = PostgresClient(raw, "sink")
        self._units: dict[str, EndpointUnitDescriptor] = {}

    def unit(self, name: str) -> EndpointUnitDescriptor:
        """A unit of a catalog collected once."""
        if not self._units:
            catalog = self.source.collect_catalog(self.endpoint_id)
            self._units = {unit.dataset.name: unit for unit in self.source.list_units(catalog)}
        return self._units[name]

    def request(self, name: str, mode: IngestionMode = "full", **policy: Any) -> RunRequest:
        """What a run of the unit is asked; in data mode cdm its table is made first."""
        unit = self.unit(name)
        model = model_of(unit.cdm_model_id) if self.data_mode == "cdm" else None
        if isinstance(self.sink, CdmSink) and model is not None:
            self.sink.provision_model(model)
        return RunRequest(
            ref=RunRef(endpoint_id=self.endpoint_id, unit_id=unit.unit_id, sink_id=self.data_mode),
            unit=unit,
            mode=mode,
            policy=UnitPolicy.model_validate({**unit.default_policy.model_dump(), **policy}),
            checkpoint=self.checkpoints.get(name),
            cdm_model=model,
        )

    def run(self, name: str, mode: IngestionMode = "full", observer: Any = None, **policy: Any) -> RunSummary:
        """One run to its end."""
        request = self.request(name, mode, **policy)
        model = request.cdm_model
        mapper = CdmMapperRegistry().find("http", request.unit.kind, model.model_id) if model else None
        run = UnitRun(
            self.source,
            self.sink,
            self.staging,
            request,
            mapper=mapper,
            observer=observer,
            keep_staged=model is not None,
        )
        summary = run.execute()
        self.checkpoints[name] = summary.checkpoint_after
        return summary

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the sink; cast to text, bigint or boolean."""
        with self._look.session() as session:
            return session.rows(sql)

    def raw(self, name: str) -> dict[str, Any]:
        """Raw payloads in the sink by key."""
        key = self.unit(name).primary_key[0]
        table = f'"{self.unit(name).dataset.namespace}".{name}'
        return {
            row[0]: json.loads(row[1]) for row in self.query(f"SELECT {key}::text AS k, raw::text AS r FROM {table}")
        }

    def close(self) -> None:
        """Close connections."""
        self.source.close()
        self.sink.close()
        self._look.close()


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


def assert_equal(mover: Mover, *names: str) -> None:
    """Entity by entity, field by field."""
    for name in names or UNITS:
        theirs, ours = truth(mover.server.site, name), mover.raw(name)
        lost, extra = set(theirs) - set(ours), set(ours) - set(theirs)
        assert not lost, f"{name}: {len(lost)} lost, {sorted(lost)[:5]}"
        assert not extra, f"{name}: {len(extra)} ghosts, {sorted(extra)[:5]}"
        different = [key for key in theirs if theirs[key] != ours[key]]
        assert not different, f"{name}: {different[:3]}: {theirs[different[0]]} is {ours[different[0]]}"
