"""Values of keys as text, the way every other part of an ingestion writes them: sources parse them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from polars.datatypes import DataTypeClass


def as_text(column: pl.Expr, dtype: pl.DataType | DataTypeClass) -> pl.Expr:
    """The column as text: dates and times in ISO 8601 with a blank, bytes in hexadecimal as PostgreSQL writes them."""
    if isinstance(dtype, pl.Datetime):
        zone = "+00" if dtype.time_zone else ""
        return column.dt.strftime(f"%Y-%m-%d %H:%M:%S%.6f{zone}")
    if dtype == pl.Binary:
        return pl.concat_str(pl.lit("\\x"), column.bin.encode("hex"))
    return column.cast(pl.String)
