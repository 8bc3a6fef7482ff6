"""Values of a batch for people and JSON: one rendering for the command, the API, the preview flow and drawings.

Python has moments of the years 1 to 9999 only, and polars ends the thread for those it cannot convert at all
(infinity). Moments are therefore written from the integers that stand behind them.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, TypeAlias

import polars as pl

JsonCell: TypeAlias = str | int | bool | None

EXACT_IN_A_BROWSER = 2**53 - 1
"""Largest integer that JavaScript keeps (Number.MAX_SAFE_INTEGER)."""

_PER_DAY = {"ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}
_CYCLE_DAYS, _CYCLE_YEARS = 146_097, 400
_EPOCH = date(1970, 1, 1)
_PYTHON_DAYS = (date.min - _EPOCH).days, (date.max - _EPOCH).days
_ENDLESS = {2**31 - 1: "infinity", -(2**31): "-infinity"}, {2**63 - 1: "infinity", -(2**63): "-infinity"}


def texts(batch: Any) -> tuple[list[str], list[tuple[str | None, ...]]]:
    """(column names, rows); every value is text or None."""
    frame = pl.DataFrame(batch)
    return frame.columns, list(zip(*(_texts(each) for each in frame), strict=True)) if frame.width else []


def json_rows(batch: Any, longest: int | None = None) -> tuple[list[str], list[dict[str, JsonCell]]]:
    """(column names, rows by name) for JSON: booleans and integers as they are, everything else as text.

    Args:
        batch: A frame or an Arrow batch.
        longest: Characters of a text; what is longer ends with an ellipsis.
    """
    frame = pl.DataFrame(batch)
    columns = [[_shortened(value, longest) for value in _json_cells(each)] for each in frame]
    return frame.columns, [dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def exact_json(value: Any) -> Any:
    """A JSON value in which integers that a browser would round are text; lists and objects are gone through."""
    if isinstance(value, dict):
        return {name: exact_json(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [exact_json(each) for each in value]
    rounded = isinstance(value, int) and not isinstance(value, bool) and abs(value) > EXACT_IN_A_BROWSER
    return str(value) if rounded else value


def representable(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with those columns of moments as text that hold a moment outside Python's years 1 to 9999."""
    outside = [each.name for each in frame if _outside_python(each)]
    return frame.with_columns(pl.Series(name, _texts(frame[name]), pl.String) for name in outside)


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


def _texts(series: pl.Series) -> list[str | None]:
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


def _json_cells(series: pl.Series) -> list[JsonCell]:
    as_they_are = series.dtype.is_integer() or series.dtype == pl.Boolean
    return [exact_json(value) for value in series.to_list()] if as_they_are else [*_texts(series)]


def _shortened(value: JsonCell, longest: int | None) -> JsonCell:
    too_long = longest is not None and isinstance(value, str) and len(value) > longest
    return f"{value[: longest - 1]}…" if too_long else value  # type: ignore[index,operator]


def _outside_python(series: pl.Series) -> bool:
    if series.dtype != pl.Date and not isinstance(series.dtype, pl.Datetime):
        return False
    per_day = _PER_DAY[series.dtype.time_unit] if isinstance(series.dtype, pl.Datetime) else 1
    low, high = series.to_physical().min(), series.to_physical().max()
    first, last = _PYTHON_DAYS[0] * per_day, (_PYTHON_DAYS[1] + 1) * per_day - 1
    return low is not None and not first <= low <= high <= last  # type: ignore[operator]
