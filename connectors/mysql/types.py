"""How MySQL's values travel: the one module that decides (the table is in ``docs/connectors/mysql.md``).

The driver converts nothing: every value arrives as the bytes of the server's own text, or as the bytes of a binary
column, and becomes its staged type here, a whole column of a batch at a time. What does not fit is a typed error.

Three types have a text that loses something, so another expression is read: ``float`` is rounded to six digits and is
read as a double; ``bit`` is read as a number; comparing texts follows a collation, so they are compared by their bytes.
Sources: MySQL manual, "Data Types", "Cast Functions and Operators"; MariaDB documentation, "Data Types".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl

from contracts.errors import SourceValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from connectors.sql.dialect import TableSession
    from contracts.catalog import ColumnDescriptor, DatasetDescriptor, LogicalType

MAX_DECIMAL_DIGITS = 18
"""Decimals up to this precision are staged as such; longer ones, and unsigned bigint, as their exact text."""

_BY_NAME: dict[str, LogicalType] = {
    "tinyint": "int16", "smallint": "int16", "mediumint": "int32", "int": "int32", "integer": "int32",
    "bigint": "int64", "year": "int16", "decimal": "decimal", "numeric": "decimal", "float": "float32",
    "double": "float64", "real": "float64", "date": "date", "datetime": "timestamp", "timestamp": "timestamptz",
    "time": "interval", "json": "json", "uuid": "uuid",
    "char": "string", "varchar": "string", "tinytext": "string", "text": "string", "mediumtext": "string",
    "longtext": "string", "enum": "string", "set": "string", "inet4": "string", "inet6": "string",
    "binary": "binary", "varbinary": "binary", "tinyblob": "binary", "blob": "binary", "mediumblob": "binary",
    "longblob": "binary", "vector": "binary", "geometry": "binary", "point": "binary", "linestring": "binary",
    "polygon": "binary", "multipoint": "binary", "multilinestring": "binary", "multipolygon": "binary",
    "geometrycollection": "binary", "geomcollection": "binary",
}  # fmt: skip
_UNSIGNED: dict[str, LogicalType] = {"smallint": "int32", "int": "int64", "integer": "int64", "bigint": "decimal"}
_DTYPES: dict[str, pl.DataType] = {
    "bool": pl.Boolean(), "int16": pl.Int16(), "int32": pl.Int32(), "int64": pl.Int64(), "float32": pl.Float32(),
    "float64": pl.Float64(), "binary": pl.Binary(), "date": pl.Date(), "timestamp": pl.Datetime("us"),
    "timestamptz": pl.Datetime("us", "UTC"),
}  # fmt: skip
MOMENTS = ("date", "timestamp", "timestamptz")
_TEXTS = ("string", "json", "uuid", "other")
_UNSIGNED_BIGINT_DIGITS = 20
_ROWS, _FILTERED = re.compile(r'"rows(?:_examined_per_scan)?": (\d+)'), re.compile(r'"filtered": "?([\d.]+)')
_ZERO_DATE = r"^0000|-00"
_DAY, _SECOND = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f"


def base_type(declared: str) -> str:
    """``int(10) unsigned`` -> ``int``."""
    return re.split(r"[\s(]", declared, maxsplit=1)[0].lower()


def logical_type(declared: str) -> LogicalType:
    """The neutral type of a declared type; ``other`` for one that this release does not know."""
    base = base_type(declared)
    if base == "bit":
        return {1: "bool", 64: "decimal"}.get(_bits(declared), "int64")  # type: ignore[return-value]
    if re.search(r"\b(unsigned|zerofill)\b", declared, re.IGNORECASE) and base in _UNSIGNED:
        return _UNSIGNED[base]
    return _BY_NAME.get(base, "other")


def digits(declared: str) -> tuple[int, int] | None:
    """(precision, scale) of a type whose logical type is ``decimal``."""
    base = base_type(declared)
    if base in ("bigint", "bit"):
        return _UNSIGNED_BIGINT_DIGITS, 0
    match = re.search(r"\((\d+)(?:\s*,\s*(\d+))?\)", declared)
    return (int(match[1]), int(match[2] or 0)) if match and base in ("decimal", "numeric") else None


def _bits(declared: str) -> int:
    match = re.search(r"\((\d+)\)", declared)
    return int(match[1]) if match else 1


class MySqlDialect:
    """MySQL's quoting and expressions, for sessions with ``NO_BACKSLASH_ESCAPES``.

    Args:
        zero_dates: What is made of a date that has a zero in it: an error, or null.
    """

    name = "mysql"

    def __init__(self, zero_dates: str = "refuse") -> None:
        self._zero_dates = zero_dates

    def ident(self, name: str) -> str:
        """In backticks."""
        return "`" + name.replace("`", "``") + "`"

    def string(self, text: str) -> str:
        """Single quotes; a backslash is one."""
        return "'" + text.replace("'", "''") + "'"

    def table(self, dataset: DatasetDescriptor) -> str:
        """``database.table``."""
        return f"{self.ident(dataset.namespace)}.{self.ident(dataset.name)}"

    def read(self, column: ColumnDescriptor) -> str:
        """The column itself, but for the types whose text loses something."""
        name = self.ident(column.name)
        if column.logical_type == "float32":
            return f"{name} * 1e0 AS {name}"
        return f"{name} + 0 AS {name}" if base_type(column.declared_type) == "bit" else name

    def compared(self, column: ColumnDescriptor) -> str:
        """Texts by the bytes of their UTF-8, whatever collation the column declares; all else as it is."""
        name = self.ident(column.name)
        if column.logical_type in _TEXTS:
            return f"CAST(CONVERT({name} USING utf8mb4) AS BINARY)"
        return f"({name} + 0)" if base_type(column.declared_type) == "bit" else name

    def spelled(self, column: ColumnDescriptor) -> str:
        """As it is compared; bytes in hexadecimal digits."""
        if column.logical_type == "binary":
            return f"CONCAT('\\x', LOWER(HEX({self.ident(column.name)})))"
        return self.compared(column)

    def is_zero_date(self, column: ColumnDescriptor) -> str:
        """The condition that a date has a zero in it, where its text would say so; false for NULL."""
        name = self.ident(column.name)
        return f"({name} IS NOT NULL AND CAST({name} AS CHAR) REGEXP '^0000|-00')"

    def width(self, column: ColumnDescriptor) -> str:
        """Bytes of the value's text or of its blob."""
        return f"OCTET_LENGTH({self.ident(column.name)})"

    def form(self, column: ColumnDescriptor) -> str | None:  # noqa: ARG002 - the protocol's
        """Moments have one form."""
        return None

    def sampled(self, fraction: float) -> str | None:
        """Chance with a seed, in the order in which rows are scanned: only the chosen ones are sorted and measured."""
        return f"RAND(0) < {fraction:.9f}"

    def estimated_rows(self, session: TableSession, sql: str, doing: str) -> int | None:
        """By the server's plan of the query."""
        plan = str(session.rows(f"EXPLAIN FORMAT=JSON {sql}", doing)[0][0])  # MariaDB's is no JSON where \\ is a letter
        rows, filtered = _ROWS.search(plan), _FILTERED.search(plan)
        return int(int(rows[1]) * float(filtered[1] if filtered else 100) / 100) if rows else None

    def can_be_cursor(self, column: ColumnDescriptor) -> bool:
        """Numbers, dates and the two timestamps."""
        return column.logical_type in ("int16", "int32", "int64", "decimal", *MOMENTS)

    def can_be_split(self, column: ColumnDescriptor) -> bool:
        """Whole numbers, decimals, moments, texts and bytes: all are ordered in a sink as they are compared here."""
        return column.logical_type in ("int16", "int32", "int64", "decimal", "string", "uuid", "binary", *MOMENTS)

    def staged(self, rows: Sequence[Sequence[Any]], columns: Sequence[ColumnDescriptor]) -> pl.DataFrame:
        """One series per column.

        Raises:
            SourceValueError: A date has a zero in it, or a value does not fit its column's declared type.
        """
        values = zip(*rows, strict=True) if rows else ((),) * len(columns)
        return pl.DataFrame([self._series(column, each) for column, each in zip(columns, values, strict=True)])

    def _series(self, column: ColumnDescriptor, values: Any) -> pl.Series:
        raw = pl.Series(column.name, values, dtype=pl.Binary, strict=True)
        dtype = _dtype(column)
        if dtype == pl.Binary():
            return raw
        text = _decoded(raw, column)
        if column.logical_type in MOMENTS:
            text = self._without_zero_dates(text, column)
        convert = _CONVERT.get(column.logical_type)
        if convert is None:
            return text if dtype == pl.String() else _converted(lambda: text.cast(dtype, strict=True), column)
        return _converted(lambda: convert(text), column)

    def _without_zero_dates(self, text: pl.Series, column: ColumnDescriptor) -> pl.Series:
        zero = text.str.contains(_ZERO_DATE)
        if not zero.any():
            return text
        if self._zero_dates == "null":
            return pl.select(pl.when(zero).then(None).otherwise(text).alias(text.name)).to_series()
        shown = text.filter(zero)[0]
        raise SourceValueError(
            f"Column {column.name!r} ({column.declared_type}) holds {shown}, a date that no other system has",
            "Correct the value, filter the row out, or set the endpoint's zero_dates to null.",
            column=column.name,
        )


def _dtype(column: ColumnDescriptor) -> pl.DataType:
    if column.logical_type == "decimal":
        precision, scale = digits(column.declared_type) or (MAX_DECIMAL_DIGITS + 1, 0)
        return pl.Decimal(precision, scale) if precision <= MAX_DECIMAL_DIGITS else pl.String()
    return _DTYPES.get(column.logical_type, pl.String())


def _decoded(raw: pl.Series, column: ColumnDescriptor) -> pl.Series:
    return _converted(lambda: raw.cast(pl.String, strict=True), column)


def _converted(convert: Callable[[], pl.Series], column: ColumnDescriptor) -> pl.Series:
    try:
        return convert()
    except pl.exceptions.PolarsError as error:
        raise SourceValueError(
            f"Column {column.name!r} holds a value that does not fit its type ({column.declared_type})",
            "Correct the value, or filter the row out.",
            column=column.name,
        ) from error


def _zoned(text: pl.Series) -> pl.Series:
    return text.str.to_datetime(_SECOND, time_unit="us", strict=True).dt.replace_time_zone("UTC")


_CONVERT: dict[str, Callable[[pl.Series], pl.Series]] = {
    "bool": lambda text: text.cast(pl.Int8, strict=True).cast(pl.Boolean),
    "float32": lambda text: text.cast(pl.Float64, strict=True).cast(pl.Float32),
    "date": lambda text: text.str.to_date(_DAY, strict=True),
    "timestamp": lambda text: text.str.to_datetime(_SECOND, time_unit="us", strict=True),
    "timestamptz": _zoned,
}
