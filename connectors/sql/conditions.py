"""SQL conditions of a filter and of a slice's params, in any dialect. Params are shaped as PostgreSQL's planner's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from connectors.sql.dialect import literal
from connectors.sql.predicates import predicate, require_column, where
from contracts.errors import SourceSchemaChangedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.sql.dialect import Dialect
    from contracts.catalog import ColumnDescriptor
    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.unit import EndpointUnitDescriptor, Predicate, UnitPolicy


def select(dialect: Dialect, unit: EndpointUnitDescriptor, columns: Sequence[str], conditions: Sequence[str]) -> str:
    """``SELECT`` of the named columns in the form they travel in."""
    chosen = [dialect.read(column_of(unit, name)) for name in columns]
    return f"SELECT {', '.join(chosen)} FROM {dialect.table(unit.dataset)}{where(conditions)}"


def column_of(unit: EndpointUnitDescriptor, name: str) -> ColumnDescriptor:
    """The unit's column of that name."""
    column = unit.dataset.column(name)
    if column is None:
        raise SourceSchemaChangedError(f"{unit.unit_id} has no column {name!r}", "Collect the catalog again.")
    return column


def filter_conditions(dialect: Dialect, unit: EndpointUnitDescriptor, policy: UnitPolicy) -> list[str]:
    """The policy's filter."""
    return [_predicate(dialect, unit, condition) for condition in policy.filter]


def slice_conditions(dialect: Dialect, plan: IngestionPlan, piece: IngestionSlice) -> list[str]:
    """Everything that makes a row belong to the slice."""
    return filter_conditions(dialect, plan.unit, plan.policy) + params_conditions(dialect, plan.unit, piece.params)


def params_conditions(dialect: Dialect, unit: EndpointUnitDescriptor, params: Json) -> list[str]:
    """The slice's own conditions: a key range, a lower bound on the cursor, rows without one, or listed keys."""
    facts = cast("dict[str, Any]", params)
    conditions: list[str] = []
    if facts.get("columns"):
        for operator, edge in ((">=", facts["lower"]), ("<", facts["upper"])):
            if edge is not None:
                conditions.append(_edge(dialect, unit, facts["columns"], operator, edge))
    if bound := facts.get("since"):
        conditions.append(since(dialect, unit, bound["columns"], bound["value"]))
    if without := facts.get("unordered"):
        conditions.append(" AND ".join(f"{dialect.ident(name)} IS NULL" for name in without))
    if keys := facts.get("keys"):
        conditions.append(_listed(dialect, unit, keys["columns"], keys["values"]))
    return conditions


def since(dialect: Dialect, unit: EndpointUnitDescriptor, columns: Sequence[str], value: str) -> str:
    """Rows at or above a value in any cursor column. Inclusive: rows may share the value at the boundary."""
    tests = []
    for name in columns:
        column = column_of(unit, name)
        tests.append(f"{dialect.compared(column)} >= {literal(dialect, value, column)}")
    return " OR ".join(tests)


def _edge(
    dialect: Dialect, unit: EndpointUnitDescriptor, names: Sequence[str], operator: str, values: Sequence[str]
) -> str:
    columns = [column_of(unit, name) for name in names]
    left = ", ".join(dialect.compared(column) for column in columns)
    right = ", ".join(literal(dialect, value, column) for value, column in zip(values, columns, strict=True))
    if len(columns) == 1:
        return f"{left} {operator} {right}"
    # The first column alone says less than the row, but every database has an index for it.
    first = f"{dialect.compared(columns[0])} {operator.rstrip('=')}= {literal(dialect, values[0], columns[0])}"
    return f"({left}) {operator} ({right}) AND {first}"


def _listed(
    dialect: Dialect, unit: EndpointUnitDescriptor, names: Sequence[str], values: Sequence[Sequence[str]]
) -> str:
    columns = [column_of(unit, name) for name in names]
    names_sql = [dialect.compared(column) for column in columns]
    keys = []
    for value in values:
        parts = zip(names_sql, value, columns, strict=True)
        keys.append(" AND ".join(f"{name} = {literal(dialect, part, column)}" for name, part, column in parts))
    return " OR ".join(f"({key})" for key in keys)


def _predicate(dialect: Dialect, unit: EndpointUnitDescriptor, condition: Predicate) -> str:
    require_column(condition, [column.name for column in unit.columns])
    column = column_of(unit, condition.column)
    return predicate(
        condition,
        dialect.ident(column.name),
        dialect.compared(column),
        lambda value: literal(dialect, value, column),
    )
