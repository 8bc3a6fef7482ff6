"""One slice against the rows of a table's files, in polars: which rows are new, different, unchanged or moved. Pure.

Rows are compared value by value: null and empty are two things, NaN is itself, 0.0 and -0.0 differ.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from contracts.errors import SinkOwnerError, SinkValueError
from contracts.mapping import DATASET, OWNER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.lake.tables import LakeTable
    from contracts.unit import GonePolicy

_ROW = "__nucleus_row"
_NEW = "__nucleus_new_"


def last_of_each_key(frame: pl.DataFrame, key: Sequence[str], cursor: Sequence[str]) -> pl.DataFrame:
    """One row per key: the one with the greatest cursor (null is lowest), and of equals the last."""
    if not _repeats(frame, key):
        return frame
    order = [name for name in cursor if name in frame.columns and name not in key]
    if order:
        frame = frame.sort(order, nulls_last=False, maintain_order=True)
    return frame.unique(subset=list(key), keep="last", maintain_order=True)


def _repeats(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    """Whether a key occurs twice. Rows in the order of their keys, as a table often has them, cost one comparison."""
    keys = frame.select(key)
    return not _ascends(keys) and keys.select(pl.struct(pl.all()).n_unique()).item() < frame.height


def _ascends(keys: pl.DataFrame) -> bool:
    """Whether each row is greater than the one before; False also where floats or nulls leave it open."""
    greater = pl.lit(value=False)
    for name in reversed(keys.columns):
        value, before = pl.col(name), pl.col(name).shift(1)
        greater = (value > before) | ((value == before) & greater)
    return bool(keys.select(greater.slice(1).all(ignore_nulls=False)).item())


def without(frame: pl.DataFrame, gone: pl.Series, target: LakeTable, on_gone: GonePolicy) -> pl.DataFrame:
    """The rows after those that are gone were deleted or tombstoned, as the policy says."""
    if on_gone == "delete":
        return frame.filter(~gone)
    if on_gone == "ignore":
        return frame
    now = pl.lit(datetime.now(UTC), dtype=pl.Datetime("us", "UTC"))
    return frame.with_columns(pl.when(gone).then(now).otherwise(pl.col(target.tombstone)).alias(target.tombstone))


def differs(old: pl.Expr, new: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """True where two values are not the same."""
    different = old.ne_missing(new)
    if dtype in {pl.Float32, pl.Float64}:
        zeros = (old == 0.0) & (new == 0.0) & ((1.0 / old) != (1.0 / new))
        return different | zeros.fill_null(value=False)
    return different


class SliceDifference:
    """A slice's rows, one per key, and what was found out about them so far.

    Args:
        target: The table.
        frame: The rows, in the table's types.
        cursor: Columns by which the last of several rows with one key wins.
        on_gone: What happens to the old row of one that moved to another key.

    Raises:
        SinkValueError: A row has no key.
    """

    def __init__(
        self, target: LakeTable, frame: pl.DataFrame, cursor: Sequence[str] = (), on_gone: GonePolicy = "delete"
    ) -> None:
        _require_keys(frame, target)
        self._target, self._on_gone, self._key = target, on_gone, list(target.key)
        self.rows = last_of_each_key(frame, target.key, cursor)
        self.duplicates = frame.height - self.rows.height
        self._found: list[pl.DataFrame] = []
        self.updated = self.unchanged = self.removed = 0

    @property
    def new(self) -> pl.DataFrame:
        """Rows whose keys no file had."""
        if not self._found:
            return self.rows
        return self.rows.join(pl.concat(self._found), on=self._key, how="anti", maintain_order="left")

    def concerns(self, looked_at: pl.DataFrame) -> bool:
        """Whether a row of the file has a key of the slice, or is the old place of one of its source rows."""
        if looked_at.join(self.rows.select(self._key), on=self._key, how="semi").height:
            return True
        return bool(self._moved(looked_at).any())

    def apply(self, old: pl.DataFrame) -> pl.DataFrame | None:
        """A file's rows with the slice's in their place; None when nothing of it changes.

        Raises:
            SinkOwnerError: A live row of another owner has one of the slice's keys.
        """
        fresh = self.rows.rename({name: _NEW + name for name in self.rows.columns if name not in self._key})
        both = old.join(fresh, on=self._key, how="inner")
        self._refuse_rows_of_other_owners(both)
        self._found.append(both.select(self._key))
        changed = both.filter(self._differs(set(old.columns)))
        moved = self._moved(old)
        removed = int(moved.sum()) if self._on_gone != "ignore" else 0
        self.updated += changed.height
        self.unchanged += both.height - changed.height
        self.removed += removed
        if not changed.height and not removed:
            return None
        kept = without(old, moved, self._target, self._on_gone)
        kept = kept.join(changed.select(self._key), on=self._key, how="anti", maintain_order="left")
        return pl.concat([kept, self._replaced(changed, old.schema)])

    def _replaced(self, changed: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
        """The new rows; columns that the slice does not have keep their values, except the tombstone's."""
        target, given = self._target, set(self.rows.columns)
        made = []
        for name, dtype in schema.items():
            if name in given and name not in target.key:
                made.append(pl.col(_NEW + name).alias(name))
            elif name == target.tombstone and name not in given:
                made.append(pl.lit(None, dtype=dtype).alias(name))
            else:
                made.append(pl.col(name))
        return changed.select(made)

    def _differs(self, there: set[str]) -> pl.Expr:
        target, schema = self._target, self.rows.schema
        compared = [name for name in schema if name not in target.key and name not in target.volatile]
        conditions = [differs(pl.col(name), pl.col(_NEW + name), schema[name]) for name in compared]
        if target.tombstone in there and target.tombstone not in schema:
            conditions.append(pl.col(target.tombstone).is_not_null())
        return pl.any_horizontal(conditions) if conditions else pl.lit(value=False)

    def _moved(self, old: pl.DataFrame) -> pl.Series:
        """Live rows of ours whose source row is in the slice under another key, at a key that no row of it takes."""
        target = self._target
        if target.owner is None:
            return pl.repeat(value=False, n=old.height, eager=True, dtype=pl.Boolean)
        placed = old.with_row_index(_ROW).filter(target.live(set(old.columns)))
        placed = placed.join(self.rows.select(target.identity), on=list(target.identity), how="semi")
        placed = placed.join(self.rows.select(self._key), on=self._key, how="anti")
        return old.select(pl.int_range(pl.len(), dtype=pl.UInt32).is_in(placed[_ROW].implode())).to_series()

    def _refuse_rows_of_other_owners(self, both: pl.DataFrame) -> None:
        target = self._target
        if target.owner is None:
            return
        foreign = both.filter(~target.owned() & pl.col(target.tombstone).is_null())
        if foreign.height:
            row = foreign.row(0, named=True)
            raise SinkOwnerError(
                f"{target}: {row[target.key[0]]} belongs to endpoint {row[OWNER]!r} ({row[DATASET]}), not to "
                f"{target.owner!r} ({target.dataset})",
                "Give one of the two endpoints another source_system; nothing of the slice was written.",
                owner=row[OWNER],
                dataset_id=row[DATASET],
                endpoint_id=target.owner,
            )


def _require_keys(frame: pl.DataFrame, target: LakeTable) -> None:
    for name in target.key:
        if frame[name].null_count():
            raise SinkValueError(
                f"A row for {target} has no value in its key column {name}",
                "Choose another key, or filter such rows out.",
                table=str(target),
            )
