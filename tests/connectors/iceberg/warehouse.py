"""A warehouse in a folder, with an SQLite catalog in it, looked at without the sink."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from unittest import mock

import duckdb
import polars as pl
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType
from sqlalchemy.exc import OperationalError

from connectors.iceberg.config import IcebergConfig
from connectors.iceberg.sink import IcebergSink
from connectors.lake.names import identifier
from tests.conformance.sink_suite import error_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyiceberg.table import Table

    from contracts.plan import IngestionPlan

_ADD = re.compile(r"ADD COLUMN (\w+) text")
_RETYPE = re.compile(r"ALTER COLUMN (\w+) TYPE bigint")


class Warehouse:
    """Sinks of one warehouse, and a catalog of its own to look at what they wrote."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.config = IcebergConfig.model_validate({"warehouse": str(folder), **settings})
        folder.mkdir(exist_ok=True)
        self.catalog = SqlCatalog("nucleus", uri=f"sqlite:///{folder / 'catalog.db'}?timeout=60")

    def sink(self) -> IcebergSink:
        return IcebergSink(self.config)

    def restricted_sink(self) -> IcebergSink:
        uri = f"sqlite:///file:{self.folder / 'catalog.db'}?mode=ro&uri=true"
        return IcebergSink(IcebergConfig.model_validate({"warehouse": str(self.folder), "uri": uri}))

    def table(self, plan: IngestionPlan) -> Table:
        dataset, policy = plan.unit.dataset, plan.policy
        name = identifier(policy.target_namespace or dataset.namespace, policy.target_name or dataset.name)
        return self.catalog.load_table(name)

    def frame(self, plan: IngestionPlan) -> pl.DataFrame:
        frame = pl.from_arrow(self.table(plan).scan().to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def rows(self, plan: IngestionPlan) -> list[tuple[Any, ...]]:
        frame = self.frame(plan).select(column.name for column in plan.unit.columns)
        return frame.sort(frame.columns[0], nulls_last=True).rows()

    def versions(self, plan: IngestionPlan) -> dict[Any, tuple[Any, ...]]:
        """The row itself: copy-on-write moves rows that are not written, so that content is what can change."""
        return {row[0]: row for row in self.rows(plan)}

    def make_without_key(self, plan: IngestionPlan) -> None:
        schema = Schema(
            NestedField(1, "id", LongType()),
            NestedField(2, "name", StringType()),
            NestedField(3, "changed", LongType()),
        )
        self.catalog.create_namespace_if_not_exists((plan.unit.dataset.namespace,))
        name = plan.unit.dataset.namespace, plan.unit.dataset.name
        self.catalog.create_table(name, schema, **self.place())

    def place(self) -> dict[str, Any]:
        return {"location": f"file://{self.folder}/someones"}

    def drop(self, plan: IngestionPlan) -> None:
        self.catalog.drop_table(self.table(plan).name())

    def cut_before_commit(self, write: Callable[[], object]) -> BaseException | None:
        def lost(*_: object, **__: object) -> None:
            raise OperationalError("UPDATE iceberg_tables", {}, Exception("server closed the connection unexpectedly"))

        with mock.patch.object(SqlCatalog, "commit_table", lost):
            return error_of(write)


class CommonModels(Warehouse):
    """The table of the probe model, by SQL."""

    def probe(self) -> Table:
        return self.catalog.load_table(("cdm_work", "cdm_probe"))

    def rows(self, columns: Any = "cdm_id, source_id, name, deleted_at IS NULL AS alive") -> list[tuple[Any, ...]]:
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("probe", self.probe().scan().to_arrow())
            return connection.execute(f"SELECT {columns} FROM probe ORDER BY cdm_id").fetchall()

    def run(self, sql: str) -> None:
        table = self.probe()
        with table.update_schema(allow_incompatible_changes=True) as update:
            if added := _ADD.search(sql):
                update.add_column(added.group(1), StringType())
            elif changed := _RETYPE.search(sql):
                update.delete_column(changed.group(1))
        if changed := _RETYPE.search(sql):
            with self.probe().update_schema() as update:
                update.add_column(changed.group(1), LongType())
