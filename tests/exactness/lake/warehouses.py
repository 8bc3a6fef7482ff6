"""A table of PostgreSQL that moves into an Iceberg table: the pair's other side, and a sink that tells the fuse."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import duckdb
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table.update import AddSnapshotUpdate

from connectors.iceberg.config import IcebergConfig
from connectors.iceberg.sink import IcebergSink
from contracts.receipts import RunHandle
from tests.exactness.moving import EIGHTH_BYTES, ROWS, TABLE, Pair, make_source
from tests.exactness.worker import Fuse, FusedCalls

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.postgres import SandboxPostgres
    from tests.exactness.executors import ExecutorName

SOURCE_ROWS = f"""
SELECT id || '|' || coalesce(note, '~') || '|' || (extract(epoch FROM changed_at) * 1000000)::bigint FROM {TABLE}
"""
LAKE_ROWS = """
SELECT id || '|' || coalesce(note, '~') || '|' || epoch_us(changed_at) FROM read_parquet(?)
"""


PairT = TypeVar("PairT", bound="WarehousePair")


@dataclass
class WarehousePair(Pair):
    """A database and a warehouse in a folder, looked at by DuckDB: the table's files as a snapshot names them."""

    maker: ClassVar[str] = "tests.exactness.lake.warehouses:FusedIcebergSink"
    sink_template: ClassVar[str] = "warehouse.iceberg"
    looking: IcebergSink = field(init=False)

    def __post_init__(self) -> None:
        self.looking = self.open_sink()

    @property
    def sink_url(self) -> str:
        """The warehouse's folder."""
        return f"iceberg+sqlite://{self.sink}"

    def open_sink(self) -> IcebergSink:
        """The production sink."""
        return IcebergSink(IcebergConfig.model_validate({"url": self.sink_url}))

    def both(self) -> tuple[list[str], list[str]]:
        """All rows of the table as sorted text: source, sink. A doubled row shows."""
        try:
            table = self.looking._catalog.opened.load_table(tuple(TABLE.split(".")))
            paths = [task.file.file_path.removeprefix("file://") for task in table.scan().plan_files()]
        except NoSuchTableError:
            paths = []
        with duckdb.connect() as connection:
            rows = connection.execute(LAKE_ROWS, [paths]).fetchall() if paths else []
        return sorted(self.write(SOURCE_ROWS).splitlines()), sorted(row[0] for row in rows)

    def receipts(self) -> dict[str, int]:
        """Epoch by slice key of the run that holds the sink now."""
        return {each["slice_key"]: each["epoch"] for each in self.full_receipts()}

    def full_receipts(self) -> list[dict[str, Any]]:
        """Every receipt of that run."""
        last = self.looking.last_run(self.ref)
        if last is None:
            return []
        run = RunHandle(ref=self.ref, run_id=last.run_id, epoch=last.epoch)
        return [receipt.model_dump(mode="json") for receipt in self.looking.receipts(run).values()]

    def run_id(self) -> str:
        """Id of that run, or nothing."""
        last = self.looking.last_run(self.ref)
        return last.run_id if last is not None else ""

    def finished(self) -> bool:
        """Whether it is finished."""
        last = self.looking.last_run(self.ref)
        return last is not None and last.finished_at is not None

    def is_locked(self) -> bool:
        """Whether anybody holds the run lock."""
        return self.looking.is_locked(self.ref)

    def strays(self) -> set[str]:
        """Files that nothing names after a compaction; those of Iceberg are the business of its own tests."""
        return set()

    def drop(self) -> None:
        """Remove the database and the folder."""
        self.looking.close()
        self.server.drop_database(self.source)
        shutil.rmtree(self.sink, ignore_errors=True)


def new_lake_pair(
    kind: type[PairT],
    server: SandboxPostgres,
    folder: Path,
    *,
    rows: int = ROWS,
    executor: ExecutorName = "threads",
) -> PairT:
    """A filled table at the source, and a place for tables that is not there yet."""
    source = make_source(server, rows)
    made = kind(server, source, str(folder), server, executor=executor)
    made.policy = made.policy.model_copy(update={"target_slice_bytes": max(64 * 1024, EIGHTH_BYTES * rows // ROWS)})
    return made


class FusedIcebergSink(FusedCalls, IcebergSink):
    """A sink that tells the fuse, also between the files of a slice and the commit that makes them the table's."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(IcebergConfig.model_validate({"url": url}))
        self._fuse = fuse
        commit = self._catalog.commit

        def told(table: Any, transaction: Any) -> None:
            for update in transaction._updates:
                key = update.snapshot.summary["nucleus.slice"] if isinstance(update, AddSnapshotUpdate) else None
                if key:
                    fuse.at("census-filed" if key.startswith("census") else "receipt-filed")
            commit(table, transaction)

        self._catalog.commit = told  # type: ignore[method-assign]
