"""What the Jira tests share: runs of a sandbox site's units into a real sink, and comparison with the site's truth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from connectors.jira.config import JiraConfig
from connectors.jira.source import JiraSource
from connectors.postgres.client import PostgresClient
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from contracts.receipts import RunRef
from contracts.unit import UnitPolicy
from flows.stages.plan import RunRequest
from flows.stages.run import UnitRun
from staging.memory import MemoryStaging

if TYPE_CHECKING:
    from contracts.model import Json
    from contracts.receipts import RunSummary
    from contracts.unit import EndpointUnitDescriptor, IngestionMode
    from sandbox.jira import SandboxJira

QUICK = {"retry_pause_s": 0.01, "request_timeout_s": 5.0, "slice_issues": 50, "concurrency": 4}


def source_of(server: SandboxJira, **settings: Any) -> JiraSource:
    """A source over the sandbox, quick to retry and with small slices."""
    given = {"base_url": server.url, "email": server.email, "api_token": server.token, **QUICK, **settings}
    return JiraSource(JiraConfig.model_validate(given))


class Mover:
    """Runs of a site's units into one database, remembering the checkpoint of each."""

    def __init__(self, server: SandboxJira, sink_url: str, endpoint_id: str = "site", **settings: Any) -> None:
        self.server, self.endpoint_id = server, endpoint_id
        self.source = source_of(server, **settings)
        self.sink = PostgresSink(PostgresConfig.model_validate({"url": sink_url}))
        self.staging = MemoryStaging()
        self.checkpoints: dict[str, Json | None] = {}
        self._look = PostgresClient(PostgresConfig.model_validate({"url": sink_url}), "sink")
        self._units: dict[str, EndpointUnitDescriptor] = {}

    def unit(self, name: str) -> EndpointUnitDescriptor:
        """A unit of a catalog collected once."""
        if not self._units:
            catalog = self.source.collect_catalog(self.endpoint_id)
            self._units = {unit.dataset.name: unit for unit in self.source.list_units(catalog)}
        return self._units[name]

    def run(self, name: str, mode: IngestionMode = "full", observer: Any = None, **policy: Any) -> RunSummary:
        """One run to its end."""
        chosen = self.unit(name).default_policy.model_copy(update=UnitPolicy(**policy).model_dump(include=set(policy)))
        request = RunRequest(
            ref=RunRef(endpoint_id=self.endpoint_id, unit_id=f"jira.{name}", sink_id="raw"),
            unit=self.unit(name),
            mode=mode,
            policy=chosen,
            checkpoint=self.checkpoints.get(name),
        )
        summary = UnitRun(self.source, self.sink, self.staging, request, observer=observer, keep_staged=False).execute()
        self.checkpoints[name] = summary.checkpoint_after
        return summary

    def raw(self, name: str) -> dict[str, dict[str, Any]]:
        """Raw payloads in the sink by key."""
        key = self.unit(name).primary_key[0]
        return {
            row[0]: json.loads(row[1])
            for row in self.query(f"SELECT {key}::text AS k, raw::text AS r FROM jira.{name}")
        }

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the sink; cast to text, bigint or boolean."""
        with self._look.session() as session:
            return session.rows(sql)

    def close(self) -> None:
        """Close connections."""
        self.source.close()
        self.sink.close()
        self._look.close()
