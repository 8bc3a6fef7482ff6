"""What a table lacks to take a plan's rows: columns are added without touching files, wider types write them again.

Every live file has every column either not at all or in the table's type, so that a reader who unites them by name
needs no casts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from connectors.lake.storage_types import takes
from connectors.lake.values import widens
from contracts.errors import SinkOwnerError, SinkSchemaConflictError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.object_parquet.manifests import TableState
    from connectors.object_parquet.target import ParquetTable
    from contracts.catalog import ColumnDescriptor, LogicalType
    from contracts.plan import IngestionPlan


class Adaptation(NamedTuple):
    """How the table has to change.

    Attributes:
        columns: Logical and stored type of columns that are new or other than before.
        rewritten: Whether files have to be written again.
        lines: One per change.
    """

    columns: dict[str, tuple[LogicalType, str]]
    rewritten: bool
    lines: tuple[str, ...]


def described(target: ParquetTable) -> dict[str, tuple[LogicalType, str]]:
    """Logical and stored type by column of a new table."""
    return {column.name: (_plain(column), target.wanted[column.name]) for column in target.all_columns}


def adaptation(state: TableState, target: ParquetTable) -> Adaptation:
    """What the table needs to take the target's rows.

    Raises:
        SinkSchemaConflictError: A column would have to change in a way that can lose something, or there is no key.
    """
    if target.key and sorted(state.key) != sorted(target.key):
        raise SinkSchemaConflictError(
            f"{target} exists without a unique key on ({', '.join(target.key)})",
            "Give the unit another target_name, or drop the table; nothing was written.",
            table=str(target),
        )
    columns: dict[str, tuple[LogicalType, str]] = {}
    lines, bad, rewritten = [], [], False
    for column in target.all_columns:
        now, wanted = _plain(column), target.wanted[column.name]
        if column.name not in state.columns:
            columns[column.name] = (now, wanted)
            lines.append(f"column {column.name} added ({column.logical_type})")
            continue
        before, stored = state.columns[column.name]
        if takes(stored, wanted) and (before == now or widens(now, before)):
            continue
        if not (before == now or widens(before, now)) or not (takes(wanted, stored) or takes(stored, wanted)):
            bad.append(f"{column.name} is {before} in the sink and {column.logical_type} at the source")
            continue
        columns[column.name] = (now, wanted if takes(wanted, stored) else stored)
        rewritten = rewritten or columns[column.name][1] != stored
        lines.append(f"column {column.name} widened to {column.logical_type}")
    if bad:
        raise _conflict(target, bad)
    return Adaptation(columns, rewritten, tuple(lines))


def owner_of(plan: IngestionPlan) -> tuple[str, str]:
    """The unit of a plan: endpoint and unit id."""
    return plan.endpoint_id, plan.unit.unit_id


def refusal(target: ParquetTable, mine: tuple[str, str], owner: tuple[str, str] | None) -> SinkOwnerError:
    """What a unit is told that may not write to the table."""
    return SinkOwnerError(
        f"{target} belongs to {named(owner)}; {named(mine)} did not change it",
        "Choose another target table. To take it over, run once with --adopt: rows that this unit's source does not "
        "have are then removed.",
        table=str(target),
        owner=owner and owner[0],
        owner_unit_id=owner and owner[1],
        endpoint_id=mine[0],
        unit_id=mine[1],
    )


def named(owner: tuple[str, str] | None) -> str:
    """A unit in words."""
    return f"unit {owner[1]!r} of endpoint {owner[0]!r}" if owner else "nobody"


def _conflict(target: ParquetTable, bad: Sequence[str]) -> SinkSchemaConflictError:
    return SinkSchemaConflictError(
        f"{target} cannot take the unit's columns: {'; '.join(bad)}",
        "Give the unit another target_name, or drop the table; nothing was written.",
        table=str(target),
        conflicts=list(bad),
    )


def _plain(column: ColumnDescriptor) -> LogicalType:
    return "string" if column.logical_type == "other" else column.logical_type
