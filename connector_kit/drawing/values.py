"""One value as a person reads it: in a table's cell, in a chart's label."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from connector_kit.drawing.drawing import safe

WIDEST = 60
_SHOWN = {"\n": "⏎", "\t": "⇥"}


@dataclass(frozen=True)
class TableCell:
    """One cell of a table.

    Attributes:
        text: As plain text.
        html: As HTML; empty: the text.
        number: Aligned to the right.
        wrap: Long text may take several lines.
    """

    text: str
    html: str = ""
    number: bool = False
    wrap: bool = False

    @property
    def markup(self) -> str:
        """The HTML inside the cell."""
        return self.html or safe(self.text)


NULL = TableCell("null", '<span class="nk-null">null</span>')
NOTHING = TableCell("")


def cell(value: Any, widest: int = WIDEST, *, exact: bool = False) -> TableCell:
    """Any value, shortened to ``widest`` characters; what was cut is in the tooltip.

    Args:
        value: Anything.
        widest: Characters.
        exact: Numbers as they are, for what may be an id; otherwise with thousands apart.
    """
    if isinstance(value, TableCell):
        return value
    if value is None:
        return NULL
    if isinstance(value, bool):
        return TableCell("yes" if value else "no")
    if isinstance(value, int | float | Decimal):
        return TableCell(str(value) if exact else number(value), number=True)
    whole = words(value)
    if len(whole) <= widest:
        return TableCell(whole)
    short = f"{whole[: widest - 1]}…"
    return TableCell(short, f'<span title="{safe(whole[:2_000])}">{safe(short)}</span>')


def words(value: Any) -> str:
    """A value in one line, control characters made visible."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="auto").replace("+00:00", "Z")
    if isinstance(value, date | timedelta):
        return str(value)
    if isinstance(value, bytes):
        return f"{value[:12].hex(' ')}{' …' if len(value) > 12 else ''}"
    if isinstance(value, list | tuple | set):
        return ", ".join(words(one) for one in value)
    return "".join(one if one.isprintable() else _SHOWN.get(one, f"\\x{ord(one):02x}") for one in str(value))


def number(value: float | Decimal) -> str:
    """Thousands apart; decimals as they are, floats with a few digits."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int | Decimal) else f"{value:,.1f}"


def size(size_bytes: float) -> str:
    """``1.4 MiB``."""
    for unit in ("B", "KiB", "MiB"):
        if size_bytes < 1024:
            return f"{size_bytes:,.0f} {unit}" if unit == "B" else f"{size_bytes:,.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:,.1f} GiB"


def duration(seconds: float) -> str:
    """``0.4 ms``, ``12 ms``, ``1.25 s``, ``3 min 20 s``."""
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def chips(names: Any) -> TableCell:
    """A few short words, each in a frame of its own."""
    listed = [str(one) for one in names]
    return TableCell(", ".join(listed), " ".join(f'<span class="nk-chip">{safe(one)}</span>' for one in listed) or " ")


def code(text: str) -> TableCell:
    """A name as it is written in code."""
    return TableCell(text, f"<code>{safe(text)}</code>")
