"""HTML from the templates: everything that is put in is escaped, and moments and numbers are written for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:
    from metadata_api.console.client import OperationRefusedError

FOLDER = Path(__file__).parent
NOTHING = "\u2013"
"""Stands where there is no value."""
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Toast:
    """What an action came to: a sentence, and of an error its code and the next step."""

    text: str
    level: str = "good"
    """``good``, ``warning`` or ``error``."""
    code: str = ""
    hint: str = ""
    link: str = ""
    """A page to look at."""
    link_text: str = ""


def error_toast(error: OperationRefusedError) -> Toast:
    """A typed error."""
    return Toast(level="error", text=error.message, code=error.code, hint=error.hint)


def rendered(name: str, /, **values: Any) -> str:
    """The template of that name with the values in it."""
    return environment().get_template(name).render(**values)


@cache
def environment() -> Environment:
    """Every template escapes; a value that was not given is an error."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(moment=moment, age=age, number=number, size=size, plain_json=plain_json, took=took)
    made.globals.update(link=link)
    return made


def link(path: str, **query: Any) -> str:
    """A path of the console with a query; what is empty is left out."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"/console{path}" + (f"?{urlencode(given)}" if given else "")


def moment(text: str | None) -> str:
    """``2026-11-27 02:30 UTC`` of an ISO moment; a dash of None."""
    return NOTHING if not text else f"{_read(text):%Y-%m-%d %H:%M} UTC"


def age(text: str | None, now: datetime | None = None) -> str:
    """``5 min ago``, ``in 2 h``; a dash of None."""
    if not text:
        return NOTHING
    seconds = ((now or datetime.now(UTC)) - _read(text)).total_seconds()
    words = _spoken(abs(seconds))
    return f"{words} ago" if seconds >= 0 else f"in {words}"


def took(began: str | None, ended: str | None, now: datetime | None = None) -> str:
    """How long something lasted, or lasts so far."""
    if not began:
        return NOTHING
    last = _read(ended) if ended else now or datetime.now(UTC)
    seconds = max(0.0, (last - _read(began)).total_seconds())
    return f"{seconds:.1f} s" if seconds < 60 else _spoken(seconds)


def number(value: float | None) -> str:
    """With commas; a dash of None."""
    return NOTHING if value is None else f"{value:,.0f}"


def size(value: float | None) -> str:
    """Bytes in the unit that suits."""
    if value is None:
        return NOTHING
    left = float(value)
    for unit in _UNITS:
        if left < 1024 or unit == _UNITS[-1]:
            break
        left /= 1024
    return f"{left:,.0f} {unit}" if unit == "B" else f"{left:,.1f} {unit}"


def plain_json(value: Any) -> str:
    """Indented, for reading."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def _spoken(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _read(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
