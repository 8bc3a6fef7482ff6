"""One slice into the target, inside a transaction that the caller opened.

Three ways, tried in this order where they apply:

``copy``        the target was empty when the run began, so this slice's keys cannot be there: COPY straight into it
``difference``  COPY to a work table, find by a join what is new or different, write only that
``replace``     the unit has no key: everything there goes, everything staged comes, readers see one or the other
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from connectors.postgres import merge
from connectors.postgres.errors import server_message
from connectors.postgres.sql import ident, row_of, typed
from connectors.postgres.types import ColumnWrite, column_write
from connectors.slice_receipts import SliceCounts
from contracts.errors import IngestionError, SinkOwnerError, SinkValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.postgres.session import SqlSession
    from connectors.postgres.target import ExistingTable, TargetTable
    from contracts.staging import RecordReader
    from contracts.unit import GonePolicy

_UNIQUE_VIOLATION = "23505"
_SAME_ROW_TWICE = "21000"


class SliceUpsert:
    """Writes the staged rows of one slice to one target."""

    def __init__(
        self,
        session: SqlSession,
        target: TargetTable,
        table: ExistingTable,
        cursor: Sequence[str],
        on_gone: GonePolicy = "delete",
    ) -> None:
        self._session = session
        self._target = target
        self._table = table
        self._cursor = cursor
        self._on_gone = on_gone

    def write(self, reader: RecordReader, *, empty_target: bool) -> SliceCounts:
        """Write every row of the reader; ``empty_target`` allows the straight copy."""
        rows = reader.manifest.rows
        if not self._target.key:
            return self._replace(reader, rows)
        if rows == 0:
            return SliceCounts("nothing")
        if self._target.owner is not None:
            return self._shared(reader, rows)
        if empty_target and self._attempt(lambda: self._copy(reader), _UNIQUE_VIOLATION):
            return SliceCounts("copy", inserted=rows)
        return self._difference(reader, rows)

    def _shared(self, reader: RecordReader, rows: int) -> SliceCounts:
        """Into a table of several owners: change only the owner's rows; remove the old key of a row that moved."""
        written = self._difference(reader, rows, self._refuse_rows_of_other_owners)
        moved = merge.remove_gone_sql(self._target, self._on_gone, merge.moved_condition(self._target))
        if moved is None:
            return written
        counted = f"WITH gone AS ({moved} RETURNING 1) SELECT count(*)::bigint AS n FROM gone"
        return replace(
            written, deleted=int(self._session.value(counted, f"treating moved rows of {self._target.table}"))
        )

    def _refuse_rows_of_other_owners(self) -> None:
        foreign = self._session.rows(
            merge.rows_of_other_owners(self._target), f"looking for other owners in {self._target.table}"
        )
        if foreign:
            key, owner, dataset = foreign[0]
            mine = self._target
            raise SinkOwnerError(
                f"{mine.table}: {key} belongs to endpoint {owner!r} ({dataset}), not to {mine.owner!r} "
                f"({mine.dataset})",
                "Give one of the two endpoints another source_system; nothing of the slice was written.",
                owner=owner,
                dataset_id=dataset,
                endpoint_id=mine.owner,
            )

    def _attempt(self, action: Callable[[], None], expected: str) -> bool:
        """Run inside a savepoint; False when it failed with the expected SQLSTATE and was undone."""
        self._session.execute("SAVEPOINT nucleus_attempt", "setting a savepoint")
        try:
            action()
        except IngestionError as error:
            if error.facts.get("sqlstate") != expected:
                raise
            self._session.execute("ROLLBACK TO SAVEPOINT nucleus_attempt", "going back")
            return False
        self._session.execute("RELEASE SAVEPOINT nucleus_attempt", "keeping the savepoint's work")
        return True

    def _copy(self, reader: RecordReader) -> None:
        """Straight into the target where binary COPY can carry every column, through a work table elsewhere."""
        writes: list[ColumnWrite] = []
        straight = True
        for frame in reader.iter_batches():
            if not writes:
                writes = self._stored(self._writes(frame))
                straight = all(write.direct for write in writes)
                if not straight:
                    self._session.execute(merge.create_work(writes), "making a work table")
            if straight:
                self._copy_frame(frame, writes, self._target.name, self._target.schema)
            else:
                self._copy_frame(frame, writes, merge.WORK, None)
        if not straight:
            self._session.execute(merge.insert_all(self._target, writes), f"writing {self._target.table}")

    def _difference(self, reader: RecordReader, rows: int, check: Callable[[], None] = lambda: None) -> SliceCounts:
        writes = self._fill_work(reader)
        check()
        result: list[int] = []
        bounds = self._bounds(writes) if self._target.owner is None else []

        def once(*, duplicates: bool) -> Callable[[], None]:
            def action() -> None:
                sql = merge.difference(self._target, self._table, writes, bounds, self._cursor, duplicates=duplicates)
                result[:] = self._session.rows(sql, f"writing {self._target.table}")[0]

            return action

        if not self._attempt(once(duplicates=False), _SAME_ROW_TWICE):
            once(duplicates=True)()
        distinct, inserted, updated, _ = result
        distinct = rows if distinct < 0 else distinct
        return SliceCounts(
            "difference",
            inserted=inserted,
            updated=updated,
            unchanged=distinct - inserted - updated,
            duplicate=rows - distinct,
        )

    def _fill_work(self, reader: RecordReader) -> list[ColumnWrite]:
        writes: list[ColumnWrite] = []
        for frame in reader.iter_batches():
            if not writes:
                writes = self._writes(frame)
                self._session.execute(merge.create_work(writes), "making a work table")
            self._copy_frame(frame, writes, merge.WORK, None)
        key = ", ".join(ident(name) for name in self._target.key)
        self._session.execute(f"ANALYZE pg_temp.{ident(merge.WORK)} ({key})", "analysing the work table")
        return writes

    def _bounds(self, writes: Sequence[ColumnWrite]) -> list[str]:
        """Conditions on ``t`` that hold for every key of the work table: its lowest and highest key."""
        key = self._target.key
        casts = {write.name: write.cast or ident(write.name) for write in writes}
        source = ", ".join(f"{casts[name]} AS {ident(name)}" for name in key)
        texts = ", ".join(f"{ident(name)}::text AS k{index}" for index, name in enumerate(key))
        columns = row_of(key)
        conditions = []
        for order, sign in (("ASC", ">="), ("DESC", "<=")):
            by = ", ".join(f"{ident(name)} {order}" for name in key)
            sql = f"SELECT {texts} FROM (SELECT {source} FROM pg_temp.{ident(merge.WORK)}) w ORDER BY {by} LIMIT 1"
            edges = self._session.rows(sql, "looking at the slice's keys")
            if not edges:
                return ["false"]  # a reader may leave out every row: nothing can be equal to nothing
            edge = edges[0]
            values = ", ".join(typed(value, self._table.types[name]) for name, value in zip(key, edge, strict=True))
            conditions.append(f"{columns} {sign} {values if len(key) == 1 else f'({values})'}")
        return conditions

    def _replace(self, reader: RecordReader, rows: int) -> SliceCounts:
        deleted = self._session.value(
            f"WITH gone AS (DELETE FROM {self._target.table} RETURNING 1) SELECT count(*)::bigint AS n FROM gone",
            f"replacing {self._target.table}",
        )
        self._copy(reader)
        return SliceCounts("replace", inserted=rows, deleted=int(deleted))

    def _writes(self, frame: pl.DataFrame) -> list[ColumnWrite]:
        return [column_write(name, dtype, self._table.types[name]) for name, dtype in frame.schema.items()]

    def _stored(self, writes: Sequence[ColumnWrite]) -> list[ColumnWrite]:
        return [write for write in writes if write.name not in self._table.generated]

    def _copy_frame(self, frame: pl.DataFrame, writes: Sequence[ColumnWrite], table: str, schema: str | None) -> None:
        if frame.height == 0:
            return
        try:
            encoded = frame.select([write.encoded for write in writes])
        except pl.exceptions.ComputeError as error:
            raise SinkValueError(
                f"A staged value does not fit {self._target.table}: {server_message(error)}",
                "Correct the value at the source, or filter the row out.",
            ) from error
        self._session.copy_in(table, encoded, schema=schema, doing=f"copying into {self._target.table}")
