"""Content hashes of databases that cannot render a row as the sink does: rows are read and rendered here.

A PostgreSQL sink hashes ``md5(ROW(column::text, …)::text)`` (``connectors/postgres/content.py``). This writes the
same text from staged frames. Sources: PostgreSQL manual, "Composite Type Input and Output Syntax" for the quoting of a
row, and "Floating-Point Types" for the shortest digits of a float.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from contracts.endpoint import ContentHash

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Sequence

    import polars as pl

    from contracts.catalog import ColumnDescriptor

_QUOTED = re.compile(r'[",\\() \t\n\v\f\r]')
_HALF = 2**64
_FIXED_DIGITS = 15
"""A float from 1e-4 to below 1e15 is written without an exponent."""


def content_hash(frames: Iterable[pl.DataFrame], columns: Sequence[ColumnDescriptor]) -> ContentHash:
    """Count and order-independent hash of staged rows; equal to what a PostgreSQL sink says of the same rows."""
    writers = [_writer(column) for column in columns]
    rows, first, second = 0, 0, 0
    for frame in frames:
        for row in frame.iter_rows():
            digest = hashlib.md5(_row_text(writers, row).encode(), usedforsecurity=False).digest()
            first += int.from_bytes(digest[:8], "big")
            second += int.from_bytes(digest[8:], "big")
        rows += frame.height
    return ContentHash(rows=rows, digest=f"{first % _HALF:016x}{second % _HALF:016x}")


def _row_text(writers: Sequence[Callable[[Any], str]], row: Sequence[Any]) -> str:
    parts = ("" if value is None else _field(write(value)) for write, value in zip(writers, row, strict=True))
    return f"({','.join(parts)})"


def _field(text: str) -> str:
    if text and not _QUOTED.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '""') + '"'


def _writer(column: ColumnDescriptor) -> Callable[[Any], str]:
    return _WRITERS.get(column.logical_type, str)


def float_text(value: float) -> str:
    """The shortest digits that read back as the value, as PostgreSQL writes them."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return f"{sign}0"
    _, digits, exponent = Decimal(repr(abs(value))).normalize().as_tuple()
    number = "".join(map(str, digits))
    power = len(number) + int(exponent) - 1
    if -4 <= power < _FIXED_DIGITS:
        return sign + format(Decimal((0, digits, int(exponent))), "f")
    fraction = f".{number[1:]}" if len(number) > 1 else ""
    return f"{sign}{number[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _moment_text(value: dt.datetime) -> str:
    text = value.replace(tzinfo=None).isoformat(sep=" ")
    return text.rstrip("0") if "." in text else text


def _zoned_text(value: dt.datetime) -> str:
    return f"{_moment_text(value)}+00"


def _decimal_text(value: Decimal | str) -> str:
    return format(Decimal(value), "f")


def _json_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_WRITERS: dict[str, Callable[[Any], str]] = {
    "bool": lambda value: "true" if value else "false",
    "float32": float_text,
    "float64": float_text,
    "decimal": _decimal_text,
    "binary": lambda value: "\\x" + value.hex(),
    "date": lambda value: value.isoformat(),
    "timestamp": _moment_text,
    "timestamptz": _zoned_text,
    "json": _json_text,
}
