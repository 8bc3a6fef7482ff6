"""Which type a column has in Parquet files, as text in manifests and as polars has it (``docs/types.md``, lake sinks).

Apache Parquet's logical types have no intervals and no decimals without a scale, and readers differ beyond 38 digits:
such values are kept as exact text. So are times, because PostgreSQL's 24:00 is beyond Parquet's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from contracts.catalog import ColumnDescriptor

MAX_PRECISION = 38
_STORED: dict[str, str] = {
    "bool": "Boolean", "int16": "Int16", "int32": "Int32", "int64": "Int64", "float32": "Float32",
    "float64": "Float64", "binary": "Binary", "date": "Date", "timestamp": "Datetime", "timestamptz": "DatetimeUTC",
}  # fmt: skip
_DTYPES: dict[str, pl.DataType] = {
    "Boolean": pl.Boolean(), "Int16": pl.Int16(), "Int32": pl.Int32(), "Int64": pl.Int64(), "Float32": pl.Float32(),
    "Float64": pl.Float64(), "Binary": pl.Binary(), "Date": pl.Date(), "Datetime": pl.Datetime("us"),
    "DatetimeUTC": pl.Datetime("us", "UTC"), "String": pl.String(),
}  # fmt: skip
_DECIMAL = re.compile(r"^Decimal\((\d+),(\d+)\)$")
_DIGITS = {"Int16": 5, "Int32": 10, "Int64": 19}
_NARROWER = {"Int32": ("Int16",), "Int64": ("Int16", "Int32"), "Float64": ("Float32",)}


def stored_type(column: ColumnDescriptor) -> str:
    """The type of a new column: ``Int64``, ``Decimal(15,2)``, ``DatetimeUTC``, …; ``String`` for what Parquet lacks."""
    if column.logical_type != "decimal":
        return _STORED.get(column.logical_type, "String")
    precision, scale = column.precision, column.scale or 0
    if precision is None or not 0 < precision <= MAX_PRECISION or not 0 <= scale <= precision:
        return "String"
    return f"Decimal({precision},{scale})"


def dtype_of(stored: str) -> pl.DataType:
    """The polars type of a stored one."""
    decimal = _DECIMAL.match(stored)
    return pl.Decimal(int(decimal.group(1)), int(decimal.group(2))) if decimal else _DTYPES[stored]


def takes(existing: str, wanted: str) -> bool:
    """True when a column of the existing type takes every value of the wanted one."""
    if existing == wanted or wanted in _NARROWER.get(existing, ()):
        return True
    digits = _digits(wanted)
    if digits is None:
        return False
    decimal = _DECIMAL.match(existing)
    if decimal is None:
        return existing == "String"
    precision, scale = int(decimal.group(1)), int(decimal.group(2))
    return precision - scale >= digits[0] and scale >= digits[1]


def _digits(stored: str) -> tuple[int, int] | None:
    """Digits before and after the point that exact numbers of the type can have; None for other types."""
    decimal = _DECIMAL.match(stored)
    if decimal is not None:
        precision, scale = int(decimal.group(1)), int(decimal.group(2))
        return precision - scale, scale
    return (_DIGITS[stored], 0) if stored in _DIGITS else None
