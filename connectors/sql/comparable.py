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
import struct
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
_FIXED_DIGITS, _FIXED_SINGLE_DIGITS = 15, 6
"""A float from 1e-4 to below 1e15 is written without an exponent; one of single precision below 1e6."""
_EXACT_WHOLE = 2.0**53
_SINGLE_INFINITY = 0x7F800000
_SINGLE_DIGITS = 9
"""So many tell every float of single precision from its neighbours."""


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
    if not math.isfinite(value):
        return _float_text(value, "", 0)
    text = repr(abs(value))
    if abs(value) > _EXACT_WHOLE:  # a number halfway to the next is not taken for the value's, though it reads back
        near = [Decimal(math.nextafter(abs(value), way)) for way in (0.0, math.inf)]
        text = text if _is_nearest(Decimal(text), Decimal(abs(value)), near) else f"{abs(value):.17g}"
    return _float_text(value, text, _FIXED_DIGITS)


def single_text(value: float) -> str:
    """The same for a value of single precision: fewer digits tell it from its neighbours."""
    if not math.isfinite(value):
        return _float_text(value, "", 0)
    (bits,) = struct.unpack("I", struct.pack("f", abs(value)))
    near = [_single(bits - 1) if bits else Decimal(-1), _single(bits + 1)]
    tries = (f"{abs(value):.{digits}g}" for digits in range(1, _SINGLE_DIGITS))
    exact = Decimal(abs(value))
    shortest = next((text for text in tries if _is_nearest(Decimal(text), exact, near)), None)
    return _float_text(value, shortest or f"{abs(value):.{_SINGLE_DIGITS}g}", _FIXED_SINGLE_DIGITS)


def _single(bits: int) -> Decimal:
    """The value of single precision with these bits; the one after the largest is as far as if there were one."""
    if bits == _SINGLE_INFINITY:
        return Decimal(2) ** 128
    return Decimal(struct.unpack("f", struct.pack("I", bits))[0])


def _is_nearest(text: Decimal, exact: Decimal, near: Sequence[Decimal]) -> bool:
    """True when the text is nearer to the value than to those below and above it."""
    return all(abs(text - exact) < abs(text - other) for other in near if other.is_finite())


def _float_text(value: float, shortest: str, fixed: int) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return f"{sign}0"
    _, digits, exponent = Decimal(shortest).normalize().as_tuple()
    number = "".join(map(str, digits))
    power = len(number) + int(exponent) - 1
    if -4 <= power < fixed:
        return sign + format(Decimal((0, digits, int(exponent))), "f")
    fraction = f".{number[1:]}" if len(number) > 1 else ""
    return f"{sign}{number[0]}{fraction}e{'-' if power < 0 else '+'}{abs(power):02d}"


def _interval_text(value: str) -> str:
    """Hours, minutes and seconds: what a source of tables calls an interval."""
    return value.rstrip("0").rstrip(".") if "." in value else value


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
    "float32": single_text,
    "float64": float_text,
    "decimal": _decimal_text,
    "binary": lambda value: "\\x" + value.hex(),
    "date": lambda value: value.isoformat(),
    "timestamp": _moment_text,
    "timestamptz": _zoned_text,
    "interval": _interval_text,
    "json": _json_text,
}
