"""Rows that leave the filter of an incremental run. To the sink they are gone, and the source can tell which they are.

A row that leaves (an order is closed, and only open ones are moved) has changed, so its cursor has advanced: it is
found among the changed rows, outside the filter. A run that reads everything compares all keys instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from connectors.postgres import watermark
from connectors.postgres.reading import filter_conditions, select
from connectors.postgres.sql import ident, qualified, row_of
from connectors.sql.predicates import where

if TYPE_CHECKING:
    from contracts.endpoint import PlanRequest
    from contracts.plan import IngestionPlan

_TREATED = (
    "Rows that leave the filter are treated as gone (on_gone). A row whose change does not raise the cursor, or that "
    "is deleted, is found by a full run."
)
_LEFT = "Rows that leave the filter stay in the sink as they were, because on_gone is ignore."


def can_leave(request: PlanRequest) -> bool:
    """True when a run reads only what changed, and only some of the rows."""
    return request.mode == "incremental" and bool(request.policy.filter)


def notes(request: PlanRequest) -> tuple[str, ...]:
    """What an operator should know about rows that leave the filter; nothing where none can."""
    if not can_leave(request):
        return ()
    return (_LEFT if request.policy.on_gone == "ignore" else _TREATED,)


def left_keys(plan: IngestionPlan, *, key_is_declared: bool) -> str | None:
    """A query of the keys of changed rows outside the filter; None where the plan has no filter or reads everything.

    Args:
        plan: Of an incremental run.
        key_is_declared: An index of the source binds the key. Without one it was proven inside the filter only, and a
            row outside may have the key of one inside.
    """
    unit, conditions = plan.unit, filter_conditions(plan.unit, plan.policy)
    since = cast("dict[str, Any] | None", plan.slices[0].params.get("since")) if plan.slices else None
    if not conditions or since is None:
        return None
    columns = since["columns"]
    kind = watermark.cursor_type(unit, columns)
    changed = f"{watermark.since(columns, since['value'], kind)} OR {watermark.unordered(columns, kind)}"
    inside = " AND ".join(f"({condition})" for condition in conditions)
    outside = [changed, f"({inside}) IS NOT TRUE"]
    if not key_is_declared:
        keys = ", ".join(ident(name) for name in unit.primary_key)
        table = qualified(unit.dataset.namespace, unit.dataset.name)
        outside.append(f"{row_of(unit.primary_key)} NOT IN (SELECT {keys} FROM {table}{where(conditions)})")
    return select(unit, outside, unit.primary_key, exact=True)
