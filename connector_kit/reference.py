"""The reference page of what an author of a connector writes with, made from docstrings.

``python -m connector_kit.reference > docs/author-reference.md`` writes it anew.
"""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from connector_kit.checks.local_system import LocalTestSystem
from connector_kit.checks.on_tape import OnTape
from connector_kit.checks.system import FieldLocation, PageLocation, TestSystem
from connector_kit.recording.cassette import Cassette
from connector_kit.recording.page_shape import PageShape
from connector_kit.recording.proxy import RecordingProxy
from connector_kit.recording.scrubbing import Scrubber
from connectors.http import values
from connectors.http.paged import (
    Account,
    AnswerRule,
    ApiUnit,
    Column,
    JsonApi,
    LeftOut,
    LocalFilter,
    Page,
    PagedSettings,
    PagedSource,
    PageRequest,
    describe,
    in_zone,
    source_only,
)
from connectors.http.settings import HttpSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_HEAD = """# Reference for authors

What a connector is written with, in the order of the notebook's cells. [Write a connector](connector-kit.md) shows
how the parts fit together. This page is made from the docstrings (`python -m connector_kit.reference`).
"""
_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$")
_NAMED = re.compile(r"^    (\*{0,2}\w+(?:, \w+)*): (.*)$")
_WIDTH = 90
_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")


@dataclass(frozen=True)
class _Entry:
    """A class or a function of the page.

    Attributes:
        term: What it is called in prose.
        of: The class or the function.
        methods: Those of its methods that an author calls or writes.
    """

    term: str
    of: Callable[..., Any]
    methods: tuple[str, ...] = ()


_HOOKS = (
    "config", "keys", "true_rows", "change", "change_late", "remove", "grow", "timestamp", "reset", "close",
)  # fmt: skip
_PARTS: tuple[tuple[str, tuple[_Entry, ...]], ...] = (
    ("Settings", (_Entry("settings", PagedSettings),)),
    (
        "Client",
        (
            _Entry("JSON API", JsonApi, ("get_json", "get_linked", "get_row", "post_json")),
            _Entry("page request", PageRequest),
            _Entry("page", Page),
            _Entry("account", Account),
            _Entry("row that is refused", LeftOut),
            _Entry("rule for odd answers", AnswerRule),
            _Entry("moment on a wall clock", in_zone),
        ),
    ),
    ("Units", (_Entry("unit", ApiUnit), _Entry("column", Column), _Entry("filter by a wall clock", LocalFilter))),
    (
        "Source",
        (
            _Entry("source of pages", PagedSource, ("account", "page")),
            _Entry("descriptor", describe),
            _Entry("factory", source_only),
        ),
    ),
    (
        "Test system",
        (
            _Entry("test system, lab", TestSystem, _HOOKS),
            _Entry("test system on this machine", LocalTestSystem, ("start",)),
            _Entry("test system on recorded traffic", OnTape),
            _Entry("where pages are", PageLocation),
            _Entry("page shape", PageShape),
            _Entry("where a value is", FieldLocation),
        ),
    ),
    (
        "Recorded traffic",
        (
            _Entry("cassette", Cassette, ("of", "save")),
            _Entry("recording proxy", RecordingProxy),
            _Entry("what is a secret", Scrubber),
        ),
    ),
)


def page() -> str:
    """The page, as Markdown."""
    lines = [_HEAD]
    for title, entries in _PARTS:
        lines.append(f"## {title}\n")
        for entry in entries:
            lines += _shown(entry)
    return "\n".join(lines).rstrip() + "\n"


def _shown(entry: _Entry) -> Iterator[str]:
    module, name = _name_of(entry.of)
    yield f"### {entry.term[0].upper()}{entry.term[1:]}: `{name}`\n"
    yield f"`from {module} import {name}`\n"
    if not (inspect.isclass(entry.of) and issubclass(entry.of, TestSystem)):
        yield f"```python\n{name}{_signature(entry.of)}\n```\n"
    yield from _documented(inspect.getdoc(entry.of) or "")
    if inspect.isclass(entry.of) and issubclass(entry.of, BaseModel):
        yield from _settings(entry.of)
    if entry.of is Column:
        yield _marked(" ".join((values.__doc__ or "").partition("\n\n")[2].split())) + "\n"
    for method in entry.methods:
        bound = getattr(entry.of, method)
        yield f"#### `{name}.{method}`\n"
        yield f"```python\n{method}{_signature(bound)}\n```\n"
        yield from _documented(inspect.getdoc(bound) or "")


def _name_of(of: Callable[..., Any]) -> tuple[str, str]:
    """The module that an author imports from, and the name there."""
    layer = "connectors.http.paged"
    for name in sys.modules[layer].__all__:
        if getattr(sys.modules[layer], name) is of:
            return layer, name
    return of.__module__, of.__name__


def _signature(of: Callable[..., Any]) -> str:
    """As it is written; what a default is made by is shown as ``…``."""
    if inspect.isclass(of) and issubclass(of, BaseModel):
        return "(…)"
    signature = inspect.signature(of)
    words = [_parameter(one) for one in signature.parameters.values() if one.name != "self"]
    first_named = next(
        (place for place, one in enumerate(signature.parameters.values()) if one.kind is one.KEYWORD_ONLY), None
    )
    if first_named is not None:
        words.insert(first_named - ("self" in signature.parameters), "*")
    end = "" if inspect.isclass(of) else f" -> {_annotation(signature.return_annotation)}"
    line = f"({', '.join(words)}){end}"
    return line if len(line) <= _WIDTH else "(\n    " + ",\n    ".join(words) + f",\n){end}"


def _parameter(one: inspect.Parameter) -> str:
    stars = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
    text = f"{stars}{one.name}: {_annotation(one.annotation)}"
    if one.default is one.empty:
        return text
    plain = one.default is None or isinstance(one.default, str | int | tuple)
    return f"{text} = {repr(one.default) if plain else '…'}"


def _annotation(of: object) -> str:
    return of if isinstance(of, str) else getattr(of, "__name__", str(of))


def _documented(text: str) -> Iterator[str]:
    """A docstring: paragraphs as they are, its sections as tables."""
    section, rows = "", list[list[str]]()
    lines: list[str] = []
    for line in [*text.splitlines(), ""]:
        if match := _SECTION.match(line):
            section = match[1]
        elif section and (named := _NAMED.match(line)):
            rows.append([named[1], named[2]])
        elif section and line.startswith("    "):
            rows = rows or [["", ""]]
            rows[-1][1] += f" {line.strip()}"
        elif section:
            yield from _table(section, rows)
            section, rows = "", []
        else:
            lines.append(line)
        if (section or not line) and lines:
            yield from _paragraph(lines)
            lines = []


def _paragraph(lines: list[str]) -> Iterator[str]:
    kept = [line for line in lines if line.strip() not in {"", "::"}]
    if not kept:
        return
    if all(line.startswith("    ") for line in kept):
        yield "```python\n" + "\n".join(line[4:] for line in kept) + "\n```\n"
    else:
        yield _marked(" ".join(line.strip() for line in kept)) + "\n"


def _table(section: str, rows: list[list[str]]) -> Iterator[str]:
    if not rows:
        return
    if section == "Returns":
        yield f"Returns: {_marked(rows[0][1].strip())}\n"
        return
    heads = {"Args": "argument", "Attributes": "attribute", "Raises": "error"}
    yield f"| {heads[section]} | |\n|---|---|"
    for name, text in rows:
        yield f"| `{name}` | {_marked(text).replace('|', chr(92) + '|')} |"
    yield ""


def _settings(of: type[BaseModel]) -> Iterator[str]:
    yield "| field | default | |\n|---|---|---|"
    own = {**of.model_fields}
    for name, field in own.items():
        default = "required" if field.is_required() else f"`{field.get_default(call_default_factory=True)!r}`"
        where = "" if name not in HttpSettings.model_fields else " (of every source over HTTP)"
        yield f"| `{name}` | {default} | {_marked(field.description or '')}{where} |"
    yield ""


def _marked(text: str) -> str:
    return _ROLE.sub(r"`\1`", text.replace("``", "`"))


if __name__ == "__main__":
    sys.stdout.write(page())
