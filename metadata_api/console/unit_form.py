"""The form of a unit's settings: what is shown, and what of it is sent. What the form does not show stays as it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIB = 1024 * 1024
OPERATORS = ("eq", "ne", "lt", "le", "gt", "ge", "in", "not_in", "is_null", "is_not_null")
SELECTOR = "selector."
_LISTS = frozenset({"in", "not_in"})
_WITHOUT_VALUE = frozenset({"is_null", "is_not_null"})
_TEXTS = ("target_namespace", "target_name")


def settings_input(
    endpoint_id: str, unit_id: str, form: Mapping[str, Sequence[str]], held: Mapping[str, Any]
) -> dict[str, Any]:
    """``IngestionUnitConfigInput`` for what the form says.

    Args:
        endpoint_id: The endpoint.
        unit_id: The unit.
        form: What was sent.
        held: The unit's settings as they are, with their policy.
    """
    asked: dict[str, Any] = {"endpointId": endpoint_id, "unitId": unit_id}
    if _has(form, "shown.main"):
        asked |= {
            "enabled": _one(form, "enabled") == "true",
            "runMode": _one(form, "run_mode") or None,
            "mode": _one(form, "mode") or None,
            "sinkId": _one(form, "sink_id") or None,
            **_schedule(form),
        }
    policy = policy_changes(form, held["policy"] or {})
    return {**asked, "policy": policy} if policy else asked


def policy_changes(form: Mapping[str, Sequence[str]], held: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the policy that the form shows and that differ from what is set; all others are left out."""
    shown: dict[str, Any] = {}
    if _has(form, "shown.filter"):
        shown["filter"] = conditions_of(form, held.get("filter") or [])
    if _has(form, "shown.selectors"):
        shown["selectors"] = selectors_of(form, held.get("selectors") or {})
    if _has(form, "shown.policy"):
        shown |= _tuning(form)
    return {name: value for name, value in shown.items() if value != held.get(name, _unset(name))}


def conditions_of(form: Mapping[str, Sequence[str]], held: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Conditions on columns, in order; a value that was not touched keeps its type."""
    rows = zip(form.get("where.column", ()), form.get("where.op", ()), form.get("where.value", ()), strict=False)
    found = []
    for number, (column, op, text) in enumerate(rows):
        if not column:
            continue
        before = held[number] if number < len(held) else {}
        untouched = before.get("column") == column and before.get("op") == op and condition_text(before) == text
        found.append({"column": column, "op": op, "value": before["value"] if untouched else _value(op, text)})
    return found


def condition_text(condition: Mapping[str, Any]) -> str:
    """A condition's value as the form shows it: lists by commas."""
    value = condition.get("value")
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(each if isinstance(each, str) else json.dumps(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value)


def selectors_of(form: Mapping[str, Sequence[str]], held: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen for the selectors that the form shows; others stay. A selector with nothing chosen is none."""
    shown = [each for each in form.get("shown.selectors", ()) if each]
    chosen: dict[str, Any] = {name: value for name, value in held.items() if name not in shown}
    for name in shown:
        values = [each.strip() for each in form.get(f"{SELECTOR}{name}", ()) if each.strip()]
        if not values:
            continue
        is_list = _has(form, f"many.{name}")
        chosen[name] = values if is_list else values[-1]
    return chosen


def _tuning(form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if text := _one(form, "slice_mib"):
        number = _number(text)
        found["target_slice_bytes"] = round(number * MIB) if isinstance(number, int | float) else text
    for name in ("parallel_slices", "max_delete_fraction"):
        if text := _one(form, name):
            found[name] = _number(text)
    found["on_gone"] = _one(form, "on_gone") or None
    found["allow_partial"] = _one(form, "allow_partial") == "true"
    found["cursor_columns"] = [each for each in form.get("cursor_columns", ()) if each]
    found["key_columns"] = [each.strip() for each in _one(form, "key_columns").split(",") if each.strip()]
    return {**found, **{name: _one(form, name) or None for name in _TEXTS}}


def _unset(name: str) -> Any:
    """What a field of the policy that nobody set counts as when it is compared with an untouched form."""
    empty: dict[str, Any] = {"filter": [], "selectors": {}, "cursor_columns": [], "key_columns": []}
    return empty.get(name, False if name == "allow_partial" else None)


def _schedule(form: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    kind = _one(form, "schedule_kind") or "manual"
    if kind == "interval":
        minutes = _number(_one(form, "schedule_minutes"))
        return {"scheduleKind": kind, "scheduleIntervalMinutes": minutes if isinstance(minutes, int) else None}
    if kind == "cron":
        return {"scheduleKind": kind, "scheduleCron": _one(form, "schedule_cron") or None}
    return {"scheduleKind": "manual"}


def _value(op: str, text: str) -> Any:
    if op in _WITHOUT_VALUE:
        return None
    return [each.strip() for each in text.split(",") if each.strip()] if op in _LISTS else text


def _number(text: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, int | float) else text


def _one(form: Mapping[str, Sequence[str]], name: str) -> str:
    values = form.get(name, ())
    return values[-1].strip() if values else ""


def _has(form: Mapping[str, Sequence[str]], name: str) -> bool:
    return name in form
