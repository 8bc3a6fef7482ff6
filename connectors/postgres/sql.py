"""SQL text from names and values: quoting, predicates, ranges. Pure; nothing here talks to a server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from connectors.sql import predicates
from contracts.errors import FilterNotSupportedError, SinkNameError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue

    from contracts.unit import Predicate

MAX_NAME_BYTES = 63


def ident(name: str) -> str:
    """A quoted identifier, whatever characters it has.

    Raises:
        SinkNameError: It is empty, has a NUL, or is longer than the 63 bytes PostgreSQL keeps (it would cut silently).
    """
    size = len(name.encode())
    if not name or "\0" in name or size > MAX_NAME_BYTES:
        raise SinkNameError(
            f"Name {name!r} does not fit PostgreSQL ({size} bytes; 1 to {MAX_NAME_BYTES} and no NUL are allowed)",
            "Choose a shorter name (target_name or target_namespace in the unit's policy), or rename the column.",
            name=name,
            size_bytes=size,
        )
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """``"schema"."name"``."""
    return f"{ident(schema)}.{ident(name)}"


def literal(value: str) -> str:
    """A string literal under ``standard_conforming_strings`` (every session here has it on)."""
    if "\0" in value:
        raise FilterNotSupportedError("A value holds a NUL character", "PostgreSQL text cannot hold NUL; remove it.")
    return "'" + value.replace("'", "''") + "'"


def typed(value: JsonValue, declared_type: str) -> str:
    """A literal of a declared type, from a JSON scalar."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value)
    return f"{literal(text)}::{declared_type}"


def predicate(condition: Predicate, types: Mapping[str, str]) -> str:
    """One filter condition as SQL.

    Raises:
        FilterNotSupportedError: The column does not exist or the value does not fit the operator.
    """
    predicates.require_column(condition, types)
    name, kind = ident(condition.column), types[condition.column]
    return predicates.predicate(condition, name, name, lambda value: typed(value, kind))


def row_of(columns: Sequence[str]) -> str:
    """``"a"`` or ``("a", "b")``: what a range is compared on."""
    names = ", ".join(ident(column) for column in columns)
    return names if len(columns) == 1 else f"({names})"


def row_values(values: Sequence[str], columns: Sequence[str], types: Mapping[str, str]) -> str:
    """The literal to compare with :func:`row_of`."""
    items = ", ".join(typed(value, types[column]) for value, column in zip(values, columns, strict=True))
    return items if len(columns) == 1 else f"({items})"


def key_range(
    columns: Sequence[str], lower: Sequence[str] | None, upper: Sequence[str] | None, types: Mapping[str, str]
) -> list[str]:
    """Conditions of the half-open range ``[lower, upper)``; no condition on an open side."""
    row = row_of(columns)
    conditions = []
    if lower is not None:
        conditions.append(f"{row} >= {row_values(lower, columns, types)}")
    if upper is not None:
        conditions.append(f"{row} < {row_values(upper, columns, types)}")
    return conditions
