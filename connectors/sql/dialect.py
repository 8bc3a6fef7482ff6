"""What a database's SQL has of its own, as far as a source of tables needs it; and its literals."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Protocol

from contracts.errors import FilterNotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    import polars as pl
    from pydantic import JsonValue

    from contracts.catalog import ColumnDescriptor, DatasetDescriptor

_INTEGER = re.compile(r"[+-]?\d{1,40}")
_BYTES = re.compile(r"\\x(?:[0-9a-fA-F]{2})*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)?(?:\+00(?::00)?|Z)?")
_TRUTHS = {"true": "1", "false": "0", "1": "1", "0": "0"}


class Dialect(Protocol):
    """Quoting and expressions of one database. Pure; nothing here talks to a server."""

    name: str

    def ident(self, name: str) -> str:
        """A quoted identifier."""
        ...

    def string(self, text: str) -> str:
        """A string literal."""
        ...

    def table(self, dataset: DatasetDescriptor) -> str:
        """The dataset's quoted name."""
        ...

    def read(self, column: ColumnDescriptor) -> str:
        """The expression that is selected for a column."""
        ...

    def compared(self, column: ColumnDescriptor) -> str:
        """The expression that is compared and ordered; a text is compared to the letter, whatever its collation."""
        ...

    def spelled(self, column: ColumnDescriptor) -> str:
        """The expression whose text :func:`literal` reads back as the value; ordered as ``compared`` or not at all."""
        ...

    def width(self, column: ColumnDescriptor) -> str:
        """The expression for a value's size in bytes."""
        ...

    def form(self, column: ColumnDescriptor) -> str | None:
        """The expression for how a value is spelled, where the database keeps moments as they were written."""
        ...

    def sampled(self, fraction: float) -> str | None:
        """The condition that about this fraction of a table's rows meets, the same ones each time; None if none can."""
        ...

    def estimated_rows(self, session: TableSession, sql: str, doing: str) -> int | None:
        """How many rows a query of one table gives by the database's statistics; None where it has none."""
        ...

    def can_be_cursor(self, column: ColumnDescriptor) -> bool:
        """True for a type whose order is the order of change."""
        ...

    def can_be_split(self, column: ColumnDescriptor) -> bool:
        """True for a type whose ranges an index serves, and which is ordered in a sink as it is here."""
        ...

    def staged(self, rows: Sequence[Sequence[Any]], columns: Sequence[ColumnDescriptor]) -> pl.DataFrame:
        """Rows as the driver gives them as a frame of the types of the table of types.

        Raises:
            SourceValueError: A value does not fit its column's declared type.
        """
        ...


class TableSession(Protocol):
    """One connection, used by one thread at a time. Every failure is raised as an ``IngestionError``."""

    @property
    def lost(self) -> bool:
        """True when the connection is of no more use, and what it saw is gone."""
        ...

    def rows(self, sql: str, doing: str) -> list[tuple[Any, ...]]:
        """A small result."""
        ...

    def fetch(self, sql: str, doing: str) -> AbstractContextManager[Callable[[int], Sequence[Sequence[Any]]]]:
        """A result of any size: what fetches the next so many rows, for as long as the context is open."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


def literal(dialect: Dialect, value: JsonValue, column: ColumnDescriptor) -> str:
    """A literal of the column's type, from a JSON scalar or the text of a value.

    Raises:
        FilterNotSupportedError: The value does not fit the type.
    """
    text = str(value).lower() if isinstance(value, bool) else str(value)
    made = _LITERALS.get(column.logical_type, _text)(dialect, text)
    if made is None:
        raise FilterNotSupportedError(
            f"A value does not fit column {column.name!r} ({column.declared_type})",
            "Give values that fit the columns' types, and operators that the types have.",
            column=column.name,
        )
    return made


def _whole(dialect: Dialect, text: str) -> str | None:
    if text in ("true", "false"):
        return _TRUTHS[text]
    return text if _INTEGER.fullmatch(text) else _number(dialect, text)


def _number(_: Dialect, text: str) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return format(number, "f") if number.is_finite() and abs(number.adjusted()) < 400 else None


def _float(_: Dialect, text: str) -> str | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return f"{number:.17e}" if math.isfinite(number) else None


def _bytes(_: Dialect, text: str) -> str | None:
    return f"X'{text[2:]}'" if _BYTES.fullmatch(text) else None


def _date(dialect: Dialect, text: str) -> str | None:
    return dialect.string(text) if _DATE.fullmatch(text) else None


def _moment(dialect: Dialect, text: str) -> str | None:
    return dialect.string(re.sub(r"(\+00(:00)?|Z)$", "", text)) if _MOMENT.fullmatch(text) else None


def _text(dialect: Dialect, text: str) -> str | None:
    return None if "\0" in text else dialect.string(text)


_LITERALS: dict[str, Callable[[Dialect, str], str | None]] = {
    "bool": lambda _, text: _TRUTHS.get(text),
    "int16": _whole,
    "int32": _whole,
    "int64": _whole,
    "decimal": _number,
    "float32": _float,
    "float64": _float,
    "binary": _bytes,
    "date": _date,
    "timestamp": _moment,
    "timestamptz": _moment,
}
