"""Decoded JSON rows as frames of a unit's exact schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from connectors.http.values import Type, type_of
from contracts.errors import SourceValueError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connectors.http.paging import Row
    from connectors.http.units import ApiUnit, Column

Key = tuple[Any, ...]


class RowReader:
    """Reads rows of one unit. Immutable, so safe between threads.

    Args:
        unit: The unit.
        keys_only: Give the key columns alone.
    """

    def __init__(self, unit: ApiUnit, *, keys_only: bool = False) -> None:
        self._unit = unit
        self._types = {column.name: type_of(column.type, column.zone) for column in unit.columns}
        by_name = {column.name: column for column in unit.columns}
        self._keys = [by_name[name] for name in unit.primary_key]
        self._cursor = by_name[unit.cursor] if unit.cursor else None
        self._shown = self._keys if keys_only else list(unit.columns)
        self.schema = pl.Schema({column.name: self._types[column.name].dtype for column in self._shown})

    def frame(self, rows: Sequence[Row]) -> pl.DataFrame:
        """One row per object, in order.

        Raises:
            SourceValueError: A value has no faithful reading; the error names row and column, not the value.
        """
        columns = {column.name: [self._value(row, column) for row in rows] for column in self._shown}
        return pl.DataFrame(columns, schema=self.schema)

    def key(self, row: Row) -> Key:
        """The row's key."""
        return tuple(self._value(row, column) for column in self._keys)

    def moment(self, row: Row) -> datetime | None:
        """When the row changed last; None for a unit without a cursor."""
        return None if self._cursor is None else self._value(row, self._cursor)

    def _value(self, row: Row, column: Column) -> Any:
        found = _at(row, column.path)
        if found is None:
            if not self._unit.nullable(column):
                raise self._refused(row, column, "a value is expected, none was found")
            return None
        kind: Type = self._types[column.name]
        try:
            return kind.convert(found)
        except ValueError as error:
            raise self._refused(row, column, str(error)) from error

    def _refused(self, row: Row, column: Column, why: str) -> SourceValueError:
        key = ", ".join(str(_at(row, one.path))[:40] for one in self._keys)
        where = column.at if column.at is not None else f"/{column.name}"
        return SourceValueError(
            f"{self._unit.name} {key}: column {column.name} ({column.type}) at {where!r}: {why}",
            "Correct the row at the source, or the column's type in the connector; nothing of the slice was used.",
            unit=self._unit.name,
            column=column.name,
        )


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
