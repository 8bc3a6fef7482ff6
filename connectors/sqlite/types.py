"""How SQLite's values travel: the one module that decides (the table is in ``docs/connectors/sqlite.md``).

SQLite types values, not columns; a column's declared type only prefers a storage class (sqlite.org, "Datatypes In
SQLite", sections 3 and 3.1). So each value is compared with what its column declares, and one that does not fit is a
typed error: nothing is converted in silence.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, NoReturn

import polars as pl

from contracts.errors import SourceValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.sql.dialect import TableSession
    from contracts.catalog import ColumnDescriptor, DatasetDescriptor, LogicalType

_BY_NAME: tuple[tuple[str, LogicalType], ...] = (
    ("BOOL", "bool"), ("INT", "int64"), ("CHAR", "string"), ("CLOB", "string"), ("TEXT", "string"), ("BLOB", "binary"),
    ("REAL", "float64"), ("FLOA", "float64"), ("DOUB", "float64"), ("DATETIME", "timestamp"),
    ("TIMESTAMP", "timestamp"), ("DATE", "date"), ("TIME", "string"), ("JSON", "json"), ("UUID", "string"),
    ("NUMERIC", "decimal"), ("DECIMAL", "decimal"), ("NUMBER", "decimal"),
)  # fmt: skip
_DTYPES: dict[str, pl.DataType] = {
    "bool": pl.Boolean(), "int64": pl.Int64(), "float64": pl.Float64(), "binary": pl.Binary(), "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
}  # fmt: skip
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?")
_MISFIT = object()


def logical_type(declared: str) -> LogicalType:
    """The neutral type of a declared type; ``other`` where none is declared or it says nothing."""
    words = declared.upper()
    return next((logical for part, logical in _BY_NAME if part in words), "other")


def _whole(value: Any) -> Any:
    return value if type(value) is int else _MISFIT


def _truth(value: Any) -> Any:
    return bool(value) if type(value) is int and value in (0, 1) else _MISFIT


def _real(value: Any) -> Any:
    if type(value) is float:
        return value
    return float(value) if type(value) is int and int(float(value)) == value else _MISFIT


def _number(value: Any) -> Any:
    if type(value) is float and not math.isfinite(value):
        return _MISFIT
    if not isinstance(value, int | float | str):
        return _MISFIT
    try:
        number = Decimal(value.strip() if isinstance(value, str) else repr(value))
    except InvalidOperation:
        return _MISFIT
    return format(number, "f") if number.is_finite() else _MISFIT


def _text(value: Any) -> Any:
    return value if isinstance(value, str) else _MISFIT


def _bytes(value: Any) -> Any:
    return value if isinstance(value, bytes) else _MISFIT


def _date(value: Any) -> Any:
    return dt.date.fromisoformat(value) if isinstance(value, str) and _DATE.fullmatch(value) else _MISFIT


def _moment(value: Any) -> Any:
    return dt.datetime.fromisoformat(value) if isinstance(value, str) and _MOMENT.fullmatch(value) else _MISFIT


def _any(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    return str(value) if isinstance(value, int | str) else _MISFIT


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "bool": _truth, "int64": _whole, "float64": _real, "decimal": _number, "string": _text, "json": _text,
    "binary": _bytes, "date": _date, "timestamp": _moment, "other": _any,
}  # fmt: skip


class SqliteDialect:
    """SQLite's quoting and expressions."""

    name = "sqlite"

    def ident(self, name: str) -> str:
        """In backticks: a name in double quotes that does not exist would be read as a text (sqlite.org, "Quirks")."""
        return "`" + name.replace("`", "``") + "`"

    def string(self, text: str) -> str:
        """Single quotes; a backslash is one."""
        return "'" + text.replace("'", "''") + "'"

    def table(self, dataset: DatasetDescriptor) -> str:
        """``schema.table``."""
        return f"{self.ident(dataset.namespace)}.{self.ident(dataset.name)}"

    def read(self, column: ColumnDescriptor) -> str:
        """The column itself."""
        return self.ident(column.name)

    def compared(self, column: ColumnDescriptor) -> str:
        """By bytes, whatever collation the column declares."""
        return f"{self.ident(column.name)} COLLATE BINARY"

    def spelled(self, column: ColumnDescriptor) -> str:
        """As it is compared."""
        return self.compared(column)

    def width(self, column: ColumnDescriptor) -> str:
        """Bytes of the value's text or blob."""
        return f"length(CAST({self.ident(column.name)} AS BLOB))"

    def form(self, column: ColumnDescriptor) -> str | None:
        """Storage class, and for a text its length and what separates date and time."""
        name = self.ident(column.name)
        if column.logical_type == "int64":
            return f"typeof({name})"
        return f"typeof({name}) || length({name}) || substr({name}, 11, 1)"

    def sampled(self, fraction: float) -> str | None:  # noqa: ARG002 - the protocol's
        """SQLite's ``random()`` has no seed."""
        return None

    def estimated_rows(self, session: TableSession, sql: str, doing: str) -> int | None:  # noqa: ARG002 - the protocol's
        """A file has no statistics unless it was analysed."""
        return None

    def can_be_cursor(self, column: ColumnDescriptor) -> bool:
        """Whole numbers, dates and timestamps."""
        return column.logical_type in ("int64", "date", "timestamp")

    def can_be_split(self, column: ColumnDescriptor) -> bool:
        """Whole numbers, and texts by bytes; a sink compares with collation C."""
        return column.logical_type in ("int64", "string")

    def staged(self, rows: Sequence[Sequence[Any]], columns: Sequence[ColumnDescriptor]) -> pl.DataFrame:
        """One series per column, each value checked."""
        values = zip(*rows, strict=True) if rows else ([] for _ in columns)
        return pl.DataFrame([_series(column, each) for column, each in zip(columns, values, strict=True)])


def _series(column: ColumnDescriptor, values: Any) -> pl.Series:
    check = _CHECKS[column.logical_type]
    checked: list[Any] = []
    for value in values:
        fits = None if value is None else _checked(check, value)
        if fits is _MISFIT:
            _refuse(column, value)
        checked.append(fits)
    return pl.Series(column.name, checked, dtype=_DTYPES.get(column.logical_type, pl.String()), strict=True)


def _checked(check: Callable[[Any], Any], value: Any) -> Any:
    try:
        return check(value)
    except ValueError:
        return _MISFIT


def _refuse(column: ColumnDescriptor, value: Any) -> NoReturn:
    kinds = {int: "an integer", float: "a real", str: "a text", bytes: "a blob"}
    raise SourceValueError(
        f"Column {column.name!r} is declared {column.declared_type or 'without a type'} and holds "
        f"{kinds.get(type(value), 'a value')} that does not fit it",
        "Correct the value, filter the row out, or declare the column by what it holds.",
        column=column.name,
    )
