"""Whose a table of raw rows is: one (endpoint, unit), on record in the table's properties.

A full run removes rows that its source lacks, so a table that someone else fills must never become its target.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from connectors.iceberg.commits import LAST_REF
from connectors.iceberg.target import OWNED_BY, UnitOwner, owner_in
from contracts.errors import SinkOwnerError
from contracts.receipts import RunRef

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from connectors.iceberg.runs import RunRecords
    from connectors.iceberg.target import IcebergTarget


def owning(owner: UnitOwner) -> dict[str, str]:
    """The table property that says so."""
    return {OWNED_BY: json.dumps(list(owner))}


def require_owner(table: Table | None, target: IcebergTarget, mine: UnitOwner) -> None:
    """Check that the unit owns the table; one that is missing is the business of others.

    Raises:
        SinkOwnerError: It does not.
    """
    if table is not None and (owner := owner_in(table)) != mine:
        raise refusal(target, mine, owner)


def require_free(table: Table, target: IcebergTarget, mine: UnitOwner, runs: RunRecords) -> None:
    """Check that a table is the unit's, or empty with no run of its owner under way into it.

    Raises:
        SinkOwnerError: It belongs to another unit, or holds rows that no run wrote.
    """
    owner = owner_in(table)
    if owner == mine:
        return
    if has_rows(table) or (owner is not None and _is_running(table, runs)):
        raise refusal(target, mine, owner)


def has_rows(table: Table) -> bool:
    """Whether any row is in the table."""
    snapshot = table.current_snapshot()
    if snapshot is None or snapshot.summary is None:
        return False
    said = snapshot.summary["total-records"]
    return said is None or int(said) > 0


def _is_running(table: Table, runs: RunRecords) -> bool:
    said = table.properties.get(LAST_REF)
    last = runs.last_run(RunRef.model_validate_json(said)) if said else None
    return last is not None and last.finished_at is None


def refusal(target: IcebergTarget, mine: UnitOwner, owner: UnitOwner | None) -> SinkOwnerError:
    """What a unit is told that may not write to the table."""
    whose = f"belongs to {owner}" if owner else "holds rows that no run of an ingestion wrote"
    other_way = "" if owner else ", or empty the table"
    return SinkOwnerError(
        f"{target} {whose}; {mine} did not change it",
        f"Choose another target table{other_way}. To take it over, run once with --adopt: rows that this unit's source "
        "does not have are then removed.",
        table=str(target),
        owner=owner and owner.endpoint_id,
        owner_unit_id=owner and owner.unit_id,
        endpoint_id=mine.endpoint_id,
        unit_id=mine.unit_id,
    )
