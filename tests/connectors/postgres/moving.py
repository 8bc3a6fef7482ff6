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
from flows.stages.plan import make_plan
from tests.connectors.ingestion import Ingestion

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class TableIngestion(Ingestion):
    """Runs of tables from one database into another."""

    def __init__(self, source_url: str, sink_url: str, **sink_settings: Any) -> None:
        source = PostgresSource(PostgresConfig(url=source_url))
        sink = PostgresSink(PostgresConfig(url=sink_url, **sink_settings))
        super().__init__(source, sink, sink_url, endpoint_id="shop", sink_id="warehouse")

    def move(self, dataset_id: str, **how: Any) -> RunSummary:
        """One run of the table to its end."""
        return self.execute(self.request(dataset_id, **how))

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


@contextmanager
def mover(source_url: str, sink_url: str, **sink_settings: Any) -> Iterator[TableIngestion]:
    """Runs between two databases; connections end with the context."""
    with TableIngestion(source_url, sink_url, **sink_settings) as made:
        yield made


def changed(summary: RunSummary) -> tuple[int, int, int]:
    """Inserted, updated, deleted."""
    return summary.rows_inserted, summary.rows_updated, summary.rows_deleted
