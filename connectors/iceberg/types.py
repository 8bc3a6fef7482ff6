"""Which Iceberg type a column gets, and which polars type its values have on the way (the table is ``docs/types.md``).

Iceberg specification, "Primitive Types" and "Schema Evolution" (v2): there are no unsigned or 16-bit integers, no
intervals, no times with a zone, no decimals without a scale and none with more than 38 digits. What it lacks is kept
as exact text. Times are text too: PostgreSQL's 24:00 has no place in Iceberg's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl
from pyiceberg import types as iceberg

from contracts.errors import SinkValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.catalog import ColumnDescriptor, LogicalType

MAX_PRECISION = 38

_TYPES: dict[str, iceberg.PrimitiveType] = {
    "bool": iceberg.BooleanType(), "int16": iceberg.IntegerType(), "int32": iceberg.IntegerType(),
    "int64": iceberg.LongType(), "float32": iceberg.FloatType(), "float64": iceberg.DoubleType(),
    "string": iceberg.StringType(), "binary": iceberg.BinaryType(), "date": iceberg.DateType(),
    "time": iceberg.StringType(), "timestamp": iceberg.TimestampType(), "timestamptz": iceberg.TimestamptzType(),
    "interval": iceberg.StringType(), "json": iceberg.StringType(), "uuid": iceberg.StringType(),
    "other": iceberg.StringType(),
}  # fmt: skip
_DTYPES: dict[type[iceberg.IcebergType], pl.DataType] = {
    iceberg.BooleanType: pl.Boolean(), iceberg.IntegerType: pl.Int32(), iceberg.LongType: pl.Int64(),
    iceberg.FloatType: pl.Float32(), iceberg.DoubleType: pl.Float64(), iceberg.StringType: pl.String(),
    iceberg.BinaryType: pl.Binary(), iceberg.DateType: pl.Date(), iceberg.TimestampType: pl.Datetime("us"),
    iceberg.TimestamptzType: pl.Datetime("us", "UTC"),
}  # fmt: skip
_WIDER: dict[LogicalType, tuple[LogicalType, ...]] = {
    "int16": ("int32", "int64", "decimal"),
    "int32": ("int64", "decimal"),
    "int64": ("decimal",),
    "float32": ("float64",),
}


def table_type(column: ColumnDescriptor) -> iceberg.PrimitiveType:
    """The type of a new column."""
    if column.logical_type != "decimal":
        return _TYPES[column.logical_type]
    precision, scale = column.precision, column.scale or 0
    if precision is None or not 0 < precision <= MAX_PRECISION or not 0 <= scale <= precision:
        return iceberg.StringType()
    return iceberg.DecimalType(precision, scale)


def dtype_of(kind: iceberg.IcebergType) -> pl.DataType | None:
    """The polars type of a column's values; None for types that this sink does not write."""
    if isinstance(kind, iceberg.DecimalType):
        return pl.Decimal(kind.precision, kind.scale)
    return _DTYPES.get(type(kind))


def widens(before: LogicalType, after: LogicalType) -> bool:
    """True when every value of the first logical type is one of the second."""
    return after in _WIDER.get(before, ())


def promotes(before: iceberg.IcebergType, after: iceberg.IcebergType) -> bool:
    """True when Iceberg reads files of the first type as the second, so that none has to be written again."""
    if isinstance(before, iceberg.DecimalType) and isinstance(after, iceberg.DecimalType):
        return before.scale == after.scale and before.precision <= after.precision
    kinds = (type(before), type(after))
    return kinds in {(iceberg.IntegerType, iceberg.LongType), (iceberg.FloatType, iceberg.DoubleType)}


def holds(existing: iceberg.IcebergType, wanted: iceberg.IcebergType) -> bool:
    """True when a column of the existing type takes every value of the wanted one."""
    if existing == wanted or promotes(wanted, existing):
        return True
    if isinstance(existing, iceberg.DecimalType):
        digits = _integer_digits(wanted)
        return digits is not None and existing.precision - existing.scale >= digits[0] and existing.scale >= digits[1]
    return isinstance(existing, iceberg.StringType) and _integer_digits(wanted) is not None


def _integer_digits(kind: iceberg.IcebergType) -> tuple[int, int] | None:
    """Digits before and after the point that exact numbers of the type can have; None for other types."""
    if isinstance(kind, iceberg.DecimalType):
        return kind.precision - kind.scale, kind.scale
    if isinstance(kind, iceberg.IntegerType):
        return 10, 0
    return (19, 0) if isinstance(kind, iceberg.LongType) else None


def converted(frame: pl.DataFrame, wanted: Mapping[str, pl.DataType], table: str) -> pl.DataFrame:
    """The frame's columns in the table's types, no value changed.

    Raises:
        SinkValueError: A value does not fit its column.
    """
    for name, dtype in frame.schema.items():
        _require_text_without_nul(frame[name], name, dtype, table)
        _require_exact_decimals(frame[name], name, wanted[name], table)
    try:
        return frame.select(pl.col(name).cast(wanted[name]) for name in frame.columns)
    except (pl.exceptions.InvalidOperationError, pl.exceptions.ComputeError) as error:
        raise _refused(table, str(error).splitlines()[0]) from error


def _require_text_without_nul(values: pl.Series, name: str, dtype: pl.DataType, table: str) -> None:
    if dtype == pl.String and values.str.contains("\0", literal=True).any():
        raise _refused(table, f"{name} holds a NUL character")


def _require_exact_decimals(values: pl.Series, name: str, wanted: pl.DataType, table: str) -> None:
    """Casts from text and between scales round; values with more digits than the column has are refused instead."""
    if not isinstance(wanted, pl.Decimal):
        return
    if values.dtype == pl.String:
        fits = values.str.contains(rf"^[+-]?\d+(\.\d{{0,{wanted.scale}}}0*)?$")
    elif isinstance(values.dtype, pl.Decimal) and values.dtype.scale > wanted.scale:
        fits = values.cast(wanted, strict=False).cast(values.dtype, strict=False).eq_missing(values)
    else:
        return
    if not fits.fill_null(value=True).all():
        raise _refused(table, f"{name} holds a number that {wanted} cannot take")


def _refused(table: str, why: str) -> SinkValueError:
    return SinkValueError(
        f"A staged value does not fit {table}: {re.sub(r'[^ -~]+', '?', why)[:300]}",
        "Correct the value at the source, or filter the row out.",
        table=table,
    )
