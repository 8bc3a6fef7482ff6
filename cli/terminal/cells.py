"""Rows of a batch as text for people and JSON: also NaN, bytes, and moments that no Python object can hold."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_CYCLE_DAYS, _CYCLE_YEARS = 146_097, 400
_EPOCH = date(1970, 1, 1)
_ENDLESS = {2**31 - 1: "infinity", -(2**31): "-infinity"}, {2**63 - 1: "infinity", -(2**63): "-infinity"}


def texts(batch: Any) -> tuple[list[str], list[tuple[str | None, ...]]]:
    """(column names, rows); every value is text or None."""
    import polars as pl

    frame = pl.DataFrame(batch)
    return frame.columns, list(zip(*(_column(each) for each in frame), strict=True)) if frame.width else []


def _column(series: pl.Series) -> list[str | None]:
    import polars as pl

    kind = series.dtype
    if kind == pl.Binary:
        return series.bin.encode("hex").to_list()
    if kind == pl.Date:
        return [None if days is None else _ENDLESS[0].get(days) or day_text(days) for days in series.to_physical()]
    if isinstance(kind, pl.Datetime):
        zone = "+00" if kind.time_zone else ""
        return [None if value is None else moment_text(value, kind.time_unit, zone) for value in series.to_physical()]
    if kind.is_nested():
        return [None if value is None else str(value) for value in series.to_list()]
    return series.cast(pl.String).to_list()


def moment_text(value: int, unit: str, zone: str) -> str:
    """``2026-11-21 02:30:15.956362+00`` of a count of units since 1970; the ends of int64 are infinite."""
    if value in _ENDLESS[1]:
        return _ENDLESS[1][value]
    days, rest = divmod(value, _PER_DAY[unit])
    clock = timedelta(microseconds=rest * _PER_DAY["us"] // _PER_DAY[unit])
    return f"{day_text(days)} {clock if clock >= timedelta(hours=10) else f'0{clock}'}{zone}"


def day_text(days: int) -> str:
    """``2026-11-21`` of days since 1970, for any year: the calendar repeats every four hundred."""
    cycles, inside = divmod(days, _CYCLE_DAYS)
    day = _EPOCH + timedelta(days=inside)
    return f"{day.year + cycles * _CYCLE_YEARS:04d}-{day:%m-%d}"
