"""Which Iceberg type a column gets, and which polars type its values have on the way (the table is ``docs/types.md``).

Iceberg specification, "Primitive Types" and "Schema Evolution" (v2): there are no unsigned or 16-bit integers, no
intervals, no times with a zone, no decimals without a scale and none with more than 38 digits. What it lacks is kept
as exact text. Times are text too: PostgreSQL's 24:00 has no place in Iceberg's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
from pyiceberg import types as iceberg

if TYPE_CHECKING:
    from contracts.catalog import ColumnDescriptor

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
