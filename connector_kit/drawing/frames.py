"""Rows: a few of them as a table, and what all of them hold, column by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from connector_kit.drawing.drawing import GREY, Drawing
from connector_kit.drawing.table import table
from connector_kit.drawing.values import TableCell, cell, code
from flows.operations.cells import representable

if TYPE_CHECKING:
    from contracts.staging import RecordReader

_WIDEST_CELL = 32
_BAR_PX = 70


def frame(rows: pl.DataFrame, most: int = 6, *, title: str = "") -> Drawing:
    """The first rows of a frame, each column with its type."""
    headings = [f"{name}|{kind(dtype)}" for name, dtype in rows.schema.items()]
    shown = [
        [cell(value, _WIDEST_CELL, exact=True) for value in row] for row in representable(rows.head(most)).iter_rows()
    ]
    rest = rows.height - len(shown)
    note = f"… and {rest:,} more rows" if rest > 0 else ""
    return table(headings, shown, title=title or f"{rows.height:,} rows, {rows.width} columns", note=note)


def profile(rows: pl.DataFrame, *, title: str = "") -> Drawing:
    """What each column holds: how much of it is null, how many different values, the smallest and the largest."""
    lines = [_profiled(rows[name], rows.height) for name in rows.columns]
    return table(
        ("column", "type", "filled", "different", "smallest", "largest"),
        lines,
        title=title or f"{rows.height:,} rows, column by column",
    )


def staged(reader: RecordReader, most: int = 6) -> Drawing:
    """A sealed slice: the parts it consists of, and its first rows."""
    manifest = reader.manifest
    parts = len(manifest.parts)
    title = (
        f"Slice {manifest.context.slice_key}: {manifest.rows:,} rows in {parts} part{'s' if parts != 1 else ''}, "
        f"{manifest.bytes / 1024:,.0f} KiB of Parquet"
    )
    return frame(collected(reader), most, title=title)


def collected(reader: RecordReader) -> pl.DataFrame:
    """All rows of a slice as one frame. For looking at: a run never does this."""
    frames: list[pl.DataFrame] = list(reader.iter_batches())
    return pl.concat(frames)


def kind(dtype: pl.DataType) -> str:
    """A column's type in short."""
    if isinstance(dtype, pl.Datetime):
        return "moment, UTC" if dtype.time_zone else "moment"
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision}, {dtype.scale})"
    return str(dtype).lower()


def _profiled(column: pl.Series, rows: int) -> list[Any]:
    there = rows - column.null_count()
    share = there / rows if rows else 0.0
    ordered = column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype in {pl.String(), pl.Boolean()}
    low, high = _ends(column) if ordered and there else (None, None)
    different = column.n_unique() - (1 if column.null_count() else 0)
    ends = (
        (cell(low, _WIDEST_CELL, exact=True), cell(high, _WIDEST_CELL, exact=True))
        if there
        else (TableCell(""), TableCell(""))
    )
    return [code(column.name), kind(column.dtype), _bar(share), different, *ends]


def _ends(column: pl.Series) -> tuple[Any, Any]:
    """The smallest and the largest value; moments by the integers behind them, which have no limits."""
    ends = pl.DataFrame(column.to_physical() if column.dtype.is_temporal() else column).select(
        pl.all().min().alias("low"), pl.all().max().alias("high")
    )
    low, high = representable(ends.cast(dict.fromkeys(ends.columns, column.dtype))).row(0)
    return low, high


def _bar(share: float) -> TableCell:
    """A share of 1 as a small bar with its percentage."""
    label = "100 %" if share == 1 else f"{share:.0%}".replace("%", " %")
    bar = (
        f'<span style="display:inline-block;width:{_BAR_PX}px;height:9px;border-radius:2px;margin-right:8px;'
        f'background:linear-gradient(90deg,{GREY} {share:.1%},rgba(128,128,128,.18) {share:.1%})"></span>'
    )
    return TableCell(label, f"{bar}{label}")
