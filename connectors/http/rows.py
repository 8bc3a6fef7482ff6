"""Decoded JSON rows as frames of a unit's exact schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from connectors.http.values import Convert, UnfitError, type_of
from contracts.errors import SourceValueError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connectors.http.paging import Row
    from connectors.http.units import ApiUnit, Column

Key = tuple[Any, ...]


class _ColumnPath(NamedTuple):
    """Where a column's values are and how they are read."""

    column: Column
    path: tuple[str, ...]
    convert: Convert
    dtype: pl.DataType
    nullable: bool


class RowReader:
    """Reads rows of one unit. Immutable, so safe between threads.

    Args:
        unit: The unit.
        keys_only: Give the key columns alone.
        versions: With ``keys_only``: the unit's versions, too.
    """

    def __init__(self, unit: ApiUnit, *, keys_only: bool = False, versions: bool = False) -> None:
        self._unit = unit
        cells = {column.name: _cell(unit, column) for column in unit.columns}
        self._keys = [cells[name] for name in unit.primary_key]
        self._cursor = cells[unit.cursor] if unit.cursor else None
        also = [cells[name] for name in unit.versions if versions and name not in unit.primary_key]
        self._shown = [*self._keys, *also] if keys_only else list(cells.values())
        self.schema = pl.Schema({cell.column.name: cell.dtype for cell in self._shown})

    def frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        """One row per object, in order.

        Raises:
            SourceValueError: A value has no faithful reading; the error names row and column, not the value.
        """
        return pl.DataFrame({cell.column.name: self._values(rows, cell) for cell in self._shown}, schema=self.schema)

    def key(self, row: Row) -> Key:
        """The row's key."""
        return tuple(self._value(row, cell) for cell in self._keys)

    def moment(self, row: Row) -> datetime | None:
        """When the row changed last; None for a unit without a cursor."""
        return None if self._cursor is None else self._value(row, self._cursor)

    def _values(self, rows: Sequence[Row], cell: _ColumnPath) -> list[Any]:
        """A column of them; a value that does not fit is looked for only when there is one."""
        convert = cell.convert
        try:
            if len(cell.path) == 1:
                name = cell.path[0]
                found = [None if (value := row.get(name)) is None else convert(value) for row in rows]
            else:
                path = cell.path
                found = [None if (value := _at(row, path)) is None else convert(value) for row in rows]
        except UnfitError:
            return [self._value(row, cell) for row in rows]
        return found if cell.nullable or None not in found else [self._value(row, cell) for row in rows]

    def _value(self, row: Row, cell: _ColumnPath) -> Any:
        value = row.get(cell.path[0]) if len(cell.path) == 1 else _at(row, cell.path)
        if value is None:
            if cell.nullable:
                return None
            raise self._refused(row, cell, "a value is expected, none was found")
        try:
            return cell.convert(value)
        except UnfitError as error:
            raise self._refused(row, cell, str(error)) from error

    def _refused(self, row: Row, cell: _ColumnPath, why: str) -> SourceValueError:
        key = ", ".join(str(_at(row, one.path))[:40] for one in self._keys)
        column = cell.column
        where = column.at if column.at is not None else f"/{column.name}"
        return SourceValueError(
            f"{self._unit.name} {key}: column {column.name} ({column.type}) at {where!r}: {why}",
            "Correct the row at the source, or the column's type in the connector; nothing of the slice was used.",
            unit=self._unit.name,
            column=column.name,
        )


def _cell(unit: ApiUnit, column: Column) -> _ColumnPath:
    kind = type_of(column.type, column.zone)
    return _ColumnPath(column, column.path, kind.convert, kind.dtype, unit.nullable(column))


def _at(row: Any, path: tuple[str, ...]) -> Any:
    """What the pointer leads to; None where it leads nowhere."""
    for part in path:
        if isinstance(row, dict):
            row = row.get(part)
        elif isinstance(row, list) and part.isdecimal() and int(part) < len(row):
            row = row[int(part)]
        else:
            return None
    return row
