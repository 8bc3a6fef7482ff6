"""What is asked of a unit before it is planned, in every SQL database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from connectors.sql.settled import Watermark
from contracts.errors import (
    CursorUnsupportedError,
    FilterNotSupportedError,
    KeyNotUniqueError,
    ModeUnsupportedError,
    SourceSchemaChangedError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.catalog import DatasetDescriptor
    from contracts.endpoint import PlanRequest
    from contracts.unit import EndpointUnitDescriptor


def refuse_selectors(request: PlanRequest) -> None:
    """Tables have none."""
    if request.policy.selectors:
        raise FilterNotSupportedError(
            f"{request.unit.unit_id} has no selectors: a table is filtered by its columns",
            "Use filter in the unit's policy.",
            unit_id=request.unit.unit_id,
            selectors=sorted(request.policy.selectors),
        )


def checked_unit(request: PlanRequest, now: DatasetDescriptor | None) -> EndpointUnitDescriptor:
    """The unit with its policy's key, when the database still has what the catalog says; the key is not proven yet.

    Raises:
        SourceSchemaChangedError: The table is gone, a column is gone, or a column has another type now.
        ModeUnsupportedError: Incremental without a key.
    """
    unit = request.unit
    changes = missing_or_changed(unit.dataset, now)
    if now is None or changes:
        raise SourceSchemaChangedError(
            f"{unit.unit_id} is not what the catalog says: {'; '.join(changes) or 'it is gone or may not be read'}",
            "Collect the catalog again (nucleus catalog collect) and look at its diff; then run again.",
            unit_id=unit.unit_id,
            changes=list(changes),
        )
    key = request.policy.key_columns or unit.primary_key
    if unknown := [name for name in key if unit.dataset.column(name) is None]:
        raise ModeUnsupportedError(
            f"{unit.unit_id} has no column {unknown[0]!r} to use as a key", "Correct key_columns."
        )
    if request.mode == "incremental" and not key:
        raise ModeUnsupportedError(
            f"{unit.unit_id} has no primary key and no unique key without NULLs: a changed row cannot be found again",
            "Use mode full, or give key_columns in the unit's policy.",
            unit_id=unit.unit_id,
        )
    fresh = unit.dataset.model_copy(update={"rows_estimate": now.rows_estimate, "bytes_estimate": now.bytes_estimate})
    return unit.model_copy(update={"primary_key": tuple(key), "dataset": fresh})


def missing_or_changed(then: DatasetDescriptor, now: DatasetDescriptor | None) -> list[str]:
    """One line for each catalogued column that is gone or has another type now."""
    if now is None:
        return []
    lines = []
    for column in then.columns:
        current = now.column(column.name)
        if current is None:
            lines.append(f"column {column.name} is gone")
        elif current.declared_type != column.declared_type:
            lines.append(f"column {column.name} was {column.declared_type} and is {current.declared_type}")
    return lines


def starting_watermark(request: PlanRequest, nothing: Watermark) -> Watermark:
    """The watermark to start from; one of another cursor, filter or shape counts as ``nothing``: everything is read."""
    if request.checkpoint is None or request.mode == "full":
        return nothing
    try:
        before = Watermark.model_validate(request.checkpoint)
    except ValidationError as error:
        raise CursorUnsupportedError(
            f"The checkpoint of {request.unit.unit_id} cannot be read: it has no shape of ours",
            "Reset the checkpoint (nucleus checkpoint reset); the next run then reads everything.",
            unit_id=request.unit.unit_id,
        ) from error
    return before if before.fits(nothing) else nothing


def is_declared(key: Sequence[str], now: DatasetDescriptor) -> bool:
    """True when an index already binds these columns, or some of them, and none of the others can be NULL."""
    nullable = {column.name for column in now.columns if column.nullable}
    bound = any(unique and set(unique) <= set(key) for unique in (now.primary_key, *now.unique_keys))
    return bound and nullable.isdisjoint(key)


def not_a_key(unit: EndpointUnitDescriptor, value: dict[str, str | None], rows: int) -> KeyNotUniqueError:
    """The error for a key that ``rows`` rows share, or that is NULL."""
    words = ", ".join(f"{name} = {'NULL' if part is None else repr(part)}" for name, part in value.items())
    return KeyNotUniqueError(
        f"({', '.join(unit.primary_key)}) is no key of {unit.unit_id}: {rows} row(s) have {words}",
        "Name columns that are unique and not NULL in every row, or filter these rows out; nothing was written.",
        unit_id=unit.unit_id,
        key=list(unit.primary_key),
        value=value,
        rows=rows,
    )
