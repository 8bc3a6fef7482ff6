"""The SQL that reads a slice: which rows, by the slice's params, and which expressions, by the columns' types."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from connectors.postgres import types, watermark
from connectors.postgres.sql import key_range, predicate, qualified, row_of, row_values
from connectors.sql.predicates import where
from contracts.errors import FilterNotSupportedError, SourceSchemaChangedError, SourceValueError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

_NO_OPERATOR = "42883"


def column_types(unit: EndpointUnitDescriptor) -> dict[str, str]:
    """Declared type by column name, in order."""
    return {column.name: column.declared_type for column in unit.columns}


def filter_conditions(unit: EndpointUnitDescriptor, policy: UnitPolicy) -> list[str]:
    """The policy's filter as SQL conditions."""
    kinds = column_types(unit)
    return [predicate(condition, kinds) for condition in policy.filter]


@contextmanager
def filtering(unit: EndpointUnitDescriptor, conditions: Sequence[object]) -> Iterator[None]:
    """Where a filter is first tried: a value that does not fit its column is the filter's fault, not the source's."""
    try:
        yield
    except (SourceValueError, SourceSchemaChangedError) as error:
        state = str(error.facts.get("sqlstate"))
        if not conditions or not (state.startswith("22") or state == _NO_OPERATOR):
            raise
        raise FilterNotSupportedError(
            f"The filter of {unit.unit_id} cannot be applied: {error.what}",
            "Give values that fit the columns' types, and operators that the types have.",
            unit_id=unit.unit_id,
            sqlstate=state,
        ) from error


def slice_conditions(plan: IngestionPlan, piece: IngestionSlice) -> list[str]:
    """Everything that makes a row belong to the slice."""
    return filter_conditions(plan.unit, plan.policy) + params_conditions(plan.unit, piece.params)


def params_conditions(unit: EndpointUnitDescriptor, params: Json) -> list[str]:
    """The slice's own conditions: a key range, a lower bound on the cursor, rows without one, or listed keys."""
    kinds = column_types(unit)
    facts = cast("dict[str, Any]", params)
    conditions: list[str] = []
    if facts.get("columns"):
        conditions += key_range(facts["columns"], facts["lower"], facts["upper"], kinds)
    if since := facts.get("since"):
        kind = watermark.cursor_type(unit, since["columns"])
        conditions.append(watermark.since(since["columns"], since["value"], kind))
    if without := facts.get("unordered"):
        conditions.append(watermark.unordered(without, watermark.cursor_type(unit, without)))
    if keys := facts.get("keys"):
        conditions.append(_listed(keys["columns"], keys["values"], kinds))
    return conditions


def _listed(columns: Sequence[str], values: Sequence[Sequence[str]], kinds: Mapping[str, str]) -> str:
    items = ", ".join(row_values(value, columns, kinds) for value in values)
    return f"{row_of(columns)} IN ({items})"


def select(
    unit: EndpointUnitDescriptor,
    conditions: Sequence[str],
    columns: Sequence[str] | None = None,
    *,
    exact: bool = False,
) -> str:
    """``SELECT`` of the unit's columns (or some of them) in the form they travel in."""
    kinds = column_types(unit)
    chosen = [types.select_expression(name, kinds[name], exact=exact) for name in (columns or kinds)]
    table = qualified(unit.dataset.namespace, unit.dataset.name)
    return f"SELECT {', '.join(chosen)} FROM {table}{where(conditions)}"
