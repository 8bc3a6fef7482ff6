"""JQL from values: everything quoted, moments as epoch milliseconds, which no user's time zone touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def quoted(value: str) -> str:
    """A value in double quotes; reserved words, quotes and backslashes included."""
    plain = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{plain}"'


def one_of(field: str, values: Iterable[str]) -> str:
    """``field in ("a", "b")``."""
    return f"{field} in ({', '.join(quoted(value) for value in values)})"


def numbers_in(field: str, ids: Iterable[str]) -> str:
    """``field in (1, 2)``: issues by id, which in quotes would be taken for keys."""
    return f"{field} in ({', '.join(str(int(one)) for one in ids)})"


def at_least(field: str, moment_ms: int) -> str:
    """``field`` at or after a moment."""
    return f"{field} >= {moment_ms}"


def before(field: str, moment_ms: int) -> str:
    """``field`` before a moment."""
    return f"{field} < {moment_ms}"


def all_of(conditions: Iterable[str], order: str = "") -> str:
    """The conjunction, ordered if an order is given."""
    return " AND ".join(conditions) + (f" ORDER BY {order}" if order else "")


def milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch, rounded down."""
    return int(moment.timestamp() * 1000)
