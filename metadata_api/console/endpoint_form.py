"""The form of an endpoint, made from its template: what is shown for each field, and what was written into it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIX = "config."
MASK = "********"
_ALWAYS_SHOWN = frozenset({"url", "host", "port", "database", "user", "username", "path", "root", "base_url", "email"})
_TEXT_KINDS = {"PASSWORD": "password", "NUMBER": "number", "PORT": "number", "URL": "text", "HOSTNAME": "text"}


@dataclass(frozen=True)
class FormField:
    """One field, ready to be shown. Of a secret nothing is shown but whether one is saved.

    Attributes:
        name: In the template.
        title: For people.
        description: What it is for.
        kind: ``choice``, ``lines``, ``json``, or a type of an HTML input.
        value: What is saved, as text; empty for secrets.
        default: What counts when it stays empty, as text.
        choices: Of a choice.
        required: It has no default.
        secret: It is written and never read.
        is_saved: A secret is saved.
        is_plain: Shown at once, not among further settings.
    """

    name: str
    title: str
    description: str
    kind: str
    value: str
    default: str
    choices: tuple[str, ...]
    required: bool
    secret: bool
    is_saved: bool
    is_plain: bool


def form_fields(template: Mapping[str, Any], saved: Mapping[str, Any] | None = None) -> list[FormField]:
    """Fields in the template's order, with what is saved in them."""
    return [_field(each, (saved or {}).get(each["name"])) for each in template["fields"]]


def read_form_config(template: Mapping[str, Any], form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What was written, typed as the template says; empty fields are left out.

    A text that does not fit its type is passed on as it is: the template's own check says what is wrong with it.
    """
    given = {each["name"]: _written(each, form) for each in template["fields"]}
    return {name: value for name, value in given.items() if value is not None}


def changes_of(
    template: Mapping[str, Any], saved: Mapping[str, Any], form: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """What differs from what is saved: a field that was emptied goes back to its default, a secret left empty stays."""
    given = read_form_config(template, form)
    changes: dict[str, Any] = {}
    for each in template["fields"]:
        name, before = each["name"], saved.get(each["name"])
        if each["secret"]:
            changes |= {name: given[name]} if name in given else {}
        elif f"{PREFIX}{name}" not in form:
            continue
        elif name not in given:
            changes |= {name: None} if before not in (None, "", [], {}) and before != each["default"] else {}
        elif _plain(given[name]) != _plain(each["default"] if before is None else before):
            changes[name] = given[name]
    return changes


def _field(about: Mapping[str, Any], saved: Any) -> FormField:
    secret = bool(about["secret"])
    default = "" if secret else _text(about["default"], about["valueType"])
    return FormField(
        name=about["name"],
        title=about["title"],
        description=about["description"],
        kind="password" if secret else _kind(about),
        value="" if secret or saved is None else _text(saved, about["valueType"]),
        default=default,
        choices=tuple(about["choices"]),
        required=bool(about["required"]),
        secret=secret,
        is_saved=secret and bool(saved),
        is_plain=bool(about["required"]) or secret or about["name"] in _ALWAYS_SHOWN,
    )


def _kind(about: Mapping[str, Any]) -> str:
    kind = about["valueType"]
    if about["choices"] or kind == "BOOLEAN":
        return "choice" if about["choices"] else "switch"
    return {"LIST": "lines", "JSON": "json"}.get(kind) or _TEXT_KINDS.get(kind, "text")


def _text(value: Any, kind: str) -> str:
    if value is None:
        return ""
    if kind == "LIST" and isinstance(value, list):
        return "\n".join(str(each) for each in value)
    if kind == "BOOLEAN":
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _written(about: Mapping[str, Any], form: Mapping[str, Sequence[str]]) -> Any:
    values = form.get(f"{PREFIX}{about['name']}", ())
    text = values[-1] if values else ""
    text = text if about["secret"] else text.strip()
    if not text:
        return None
    kind = "STRING" if about["secret"] else about["valueType"]
    if kind == "BOOLEAN":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind == "LIST":
        return [line.strip() for line in text.splitlines() if line.strip()]
    return _parsed(text) if kind in {"NUMBER", "PORT", "JSON"} else text


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _plain(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, sort_keys=True)
