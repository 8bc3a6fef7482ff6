"""Staged values in the types of a table's files: converted exactly, or refused. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from contracts.errors import SinkValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.catalog import LogicalType

_WIDER: dict[LogicalType, tuple[LogicalType, ...]] = {
    "int16": ("int32", "int64", "decimal"),
    "int32": ("int64", "decimal"),
    "int64": ("decimal",),
    "float32": ("float64",),
}


def widens(before: LogicalType, after: LogicalType) -> bool:
    """True when every value of the first logical type is one of the second."""
    return after in _WIDER.get(before, ())


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
