"""What the tests of this room share: SQL on a URL, endpoints over it, and one run from one to the other."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl
from adbc_driver_postgresql import StatementOptions, dbapi

from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from connectors.postgres.source import PostgresSource
from contracts.receipts import RunRef
from contracts.unit import EndpointUnitDescriptor, UnitPolicy
from flows.stages.plan import RunRequest, make_plan
from flows.stages.run import UnitRun
from staging.memory import MemoryStaging

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.model import Json
    from contracts.plan import IngestionPlan
    from contracts.receipts import RunSummary

TRIES = 50
SMALLEST_SLICE = 64 * 1024


class Database:
    """Statements on one connection in autocommit; ``rows`` gives everything as text."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = dbapi.connect(url, autocommit=True)

    def run(self, *statements: str) -> None:
        with closing(self._connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(self._connection.cursor()) as cursor:
            cursor.adbc_statement.set_options(**{StatementOptions.USE_COPY.value: "false"})
            cursor.execute(sql)
            return pl.DataFrame(cursor.fetch_arrow()).rows()

    def value(self, sql: str) -> Any:
        return self.rows(sql)[0][0]

    def close(self) -> None:
        self._connection.close()


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


class Mover:
    """A source, a sink and a staging area; runs units and remembers their checkpoints, as an operator's system does."""

    def __init__(self, source_url: str, sink_url: str, **sink_settings: Any) -> None:
        self.source = PostgresSource(PostgresConfig(url=source_url))
        self.sink = PostgresSink(PostgresConfig(url=sink_url, **sink_settings))
        self.staging = MemoryStaging()
        self.checkpoints: dict[str, Json | None] = {}

    def unit(self, dataset_id: str) -> EndpointUnitDescriptor:
        catalog = self.source.collect_catalog("shop")
        return next(unit for unit in self.source.list_units(catalog) if unit.unit_id == dataset_id)

    def request(self, dataset_id: str, *, mode: str = "full", fresh: bool = False, **policy: Any) -> RunRequest:
        return RunRequest(
            ref=RunRef(endpoint_id="shop", unit_id=dataset_id, sink_id="warehouse"),
            unit=self.unit(dataset_id),
            mode=mode,
            policy=UnitPolicy(**policy),
            checkpoint=self.checkpoints.get(dataset_id),
            fresh=fresh,
        )

    def move(self, dataset_id: str, **how: Any) -> RunSummary:
        return self.execute(self.request(dataset_id, **how))

    def execute(self, request: RunRequest) -> RunSummary:
        summary = UnitRun(self.source, self.sink, self.staging, request, keep_staged=False).execute()
        self.checkpoints[request.ref.unit_id] = summary.checkpoint_after
        return summary

    def settle(self, dataset_id: str, **how: Any) -> None:
        """Move until nothing is pending: autovacuum, for one, makes a run leave its last value for the next."""
        for _ in range(TRIES):
            if not (self.checkpoints[dataset_id] or {}).get("pending"):
                return
            time.sleep(0.1)
            self.move(dataset_id, **how)
        raise AssertionError(f"never settled: {self.checkpoints[dataset_id]}")

    def plan(self, dataset_id: str, **how: Any) -> IngestionPlan:
        with self.source.open_view() as view:
            return make_plan(self.source, self.request(dataset_id, **how), view)

    def same(self, plan: IngestionPlan) -> bool:
        """Whether both sides hash alike over the whole unit."""
        whole = plan.slices[0].model_copy(update={"params": {}})
        return self.source.content_hash(plan, whole) == self.sink.content_hash(plan, whole)

    def close(self) -> None:
        self.source.close()
        self.sink.close()


@contextmanager
def mover(source_url: str, sink_url: str, **sink_settings: Any) -> Iterator[Mover]:
    made = Mover(source_url, sink_url, **sink_settings)
    try:
        yield made
    finally:
        made.close()


def changed(summary: RunSummary) -> tuple[int, int, int]:
    """Inserted, updated, deleted."""
    return summary.rows_inserted, summary.rows_updated, summary.rows_deleted
