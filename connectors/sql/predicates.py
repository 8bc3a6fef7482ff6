"""SQL text of conditions that is the same in every database; what is quoted and what is literal comes from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import FilterNotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pydantic import JsonValue

    from contracts.unit import Predicate

_COMPARISONS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


def where(conditions: Sequence[str]) -> str:
    """``WHERE …`` or nothing."""
    return f" WHERE {' AND '.join(f'({condition})' for condition in conditions)}" if conditions else ""


def require_column(condition: Predicate, columns: Collection[str]) -> None:
    """Refuse a filter on a column that is not there.

    Raises:
        FilterNotSupportedError: The unit has no such column.
    """
    if condition.column not in columns:
        raise FilterNotSupportedError(
            f"The filter names column {condition.column!r}, which the unit does not have",
            f"Columns are: {', '.join(columns)}.",
            column=condition.column,
        )


def predicate(condition: Predicate, name: str, compared: str, literal: Callable[[JsonValue], str]) -> str:
    """One filter condition as SQL.

    Args:
        condition: On a column that is there.
        name: The column, quoted.
        compared: The expression of its value that is compared.
        literal: Writes a value of the column's type.

    Raises:
        FilterNotSupportedError: The value does not fit the operator.
    """
    if condition.op in ("is_null", "is_not_null"):
        return f"{name} IS {'NOT ' if condition.op == 'is_not_null' else ''}NULL"
    if condition.op in ("in", "not_in"):
        return _membership(condition, compared, literal)
    if isinstance(condition.value, list | dict) or condition.value is None:
        raise FilterNotSupportedError(
            f"Operator {condition.op!r} on {condition.column!r} needs one value", "Use is_null for NULL, in for a list."
        )
    return f"{compared} {_COMPARISONS[condition.op]} {literal(condition.value)}"


def _membership(condition: Predicate, compared: str, literal: Callable[[JsonValue], str]) -> str:
    if not isinstance(condition.value, list) or None in condition.value:
        raise FilterNotSupportedError(
            f"Operator {condition.op!r} on {condition.column!r} needs a list without nulls",
            "Give a JSON list of values.",
        )
    negated = condition.op == "not_in"
    if not condition.value:
        return "true" if negated else "false"
    values = ", ".join(map(literal, condition.value))
    return f"{compared} {'NOT ' if negated else ''}IN ({values})"
