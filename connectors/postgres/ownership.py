"""Whose a table of raw rows is: one (endpoint, unit), on record beside the ledger.

A full run removes rows that its source lacks, so a table that someone else fills must never become its target. The
owner of a new table is the unit whose run makes it. A table that was filled before owners were recorded belongs to the
unit of the latest run into it that the ledger remembers; rows without any such run are somebody's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from connectors.postgres.sql import literal, qualified
from contracts.errors import SinkOwnerError

if TYPE_CHECKING:
    from connectors.postgres.session import SqlSession
    from connectors.postgres.target import TargetTable
    from contracts.plan import IngestionPlan


class TargetOwner(NamedTuple):
    """The unit that a table belongs to."""

    endpoint_id: str
    unit_id: str

    @classmethod
    def of(cls, plan: IngestionPlan) -> Self:
        """The unit of a plan."""
        return cls(plan.endpoint_id, plan.unit.unit_id)

    def __str__(self) -> str:
        return f"unit {self.unit_id!r} of endpoint {self.endpoint_id!r}"


class TargetOwners:
    """Statements over the table ``targets``; the caller brings the session and the transaction.

    Args:
        state_schema: Where the ledger keeps its tables.
        target_schema: The sink's own schema for targets; None where the source's names are used.
    """

    def __init__(self, state_schema: str, target_schema: str | None) -> None:
        self._targets = qualified(state_schema, "targets")
        self._runs = qualified(state_schema, "runs")
        self._target_schema = target_schema

    def claim(self, session: SqlSession, target: TargetTable, plan: IngestionPlan, *, exists: bool) -> None:
        """Make the plan's unit the owner of a table that is free: new, or empty with no run under way into it.

        The caller holds the lock of provisioning, so that one of two units that want a new table gets it.

        Raises:
            SinkOwnerError: It belongs to another unit, or holds rows that no run wrote.
        """
        mine = TargetOwner.of(plan)
        if self.owner(session, target) == mine:
            return
        # Waits for a run of the owner that is just beginning, so that it is seen below.
        owner = self.owner(session, target, lock="FOR UPDATE")
        if exists and self._is_held(session, target, owner):
            owner = owner or self._owner_of_earlier_versions(session, target, mine)
            if owner != mine:
                raise refusal(target, mine, owner)
        self.record(session, target, mine)

    def record(self, session: SqlSession, target: TargetTable, owner: TargetOwner) -> None:
        """Note the owner, in the place of any other; slices that are being committed by that one are waited for."""
        values = ", ".join(literal(text) for text in (target.schema, target.name, *owner))
        session.execute(
            f"INSERT INTO {self._targets} (target_schema, target_name, endpoint_id, unit_id) VALUES ({values}) "
            "ON CONFLICT (target_schema, target_name) DO UPDATE SET endpoint_id = excluded.endpoint_id, "
            "unit_id = excluded.unit_id, since = clock_timestamp()",
            f"recording the owner of {target.table}",
        )

    def require(self, session: SqlSession, target: TargetTable, plan: IngestionPlan) -> None:
        """Check that the plan's unit owns the table, and keep it so until the caller's transaction ends.

        Raises:
            SinkOwnerError: Somebody else took it over.
        """
        mine, owner = TargetOwner.of(plan), self.owner(session, target, lock="FOR SHARE")
        if owner != mine:
            raise refusal(target, mine, owner)

    def owner(self, session: SqlSession, target: TargetTable, *, lock: str = "") -> TargetOwner | None:
        """The owner on record; ``lock`` is a locking clause."""
        rows = session.rows(
            f"SELECT endpoint_id, unit_id FROM {self._targets} WHERE target_schema = {literal(target.schema)} "
            f"AND target_name = {literal(target.name)} {lock}",
            f"looking for the owner of {target.table}",
        )
        return TargetOwner(*rows[0]) if rows else None

    def _is_held(self, session: SqlSession, target: TargetTable, owner: TargetOwner | None) -> bool:
        """True for a table with rows, or one that its owner's unfinished run may be about to fill."""
        unfinished = "false"
        if owner is not None:
            unfinished = (
                f"EXISTS (SELECT 1 FROM {self._runs} WHERE endpoint_id = {literal(owner.endpoint_id)} "
                f"AND unit_id = {literal(owner.unit_id)} AND finished_at IS NULL)"
            )
        is_filled = session.value(
            f"SELECT EXISTS (SELECT 1 FROM {target.table}) OR {unfinished} AS held", f"looking at {target.table}"
        )
        return bool(is_filled)

    def _owner_of_earlier_versions(
        self, session: SqlSession, target: TargetTable, mine: TargetOwner
    ) -> TargetOwner | None:
        """The unit of the latest run into the table, as the frozen plans say.

        A plan does not say into which schema its sink writes by default. Where one of the runs is our own, only runs
        into the same sink are certain to have meant the same table.
        """
        default = "NULL" if self._target_schema is None else literal(self._target_schema)
        rows = session.rows(
            "SELECT endpoint_id, unit_id, sink_id FROM ("
            "SELECT r.*, plan::json #> '{policy}' AS policy, plan::json #> '{unit,dataset}' AS dataset, "
            f"plan::json ->> 'cdm_model' AS model FROM {self._runs} r) r WHERE model IS NULL "
            f"AND coalesce(policy ->> 'target_name', dataset ->> 'name') = {literal(target.name)} AND "
            f"coalesce(policy ->> 'target_namespace', {default}, dataset ->> 'namespace') = {literal(target.schema)} "
            "ORDER BY started_at DESC",
            f"looking for runs into {target.table}",
        )
        own_sinks = {sink_id for *unit, sink_id in rows if TargetOwner(*unit) == mine}
        units = [TargetOwner(*unit) for *unit, sink_id in rows if not own_sinks or sink_id in own_sinks]
        return units[0] if units else None


def refusal(target: TargetTable, mine: TargetOwner, owner: TargetOwner | None) -> SinkOwnerError:
    """What a unit is told that may not write to the table."""
    whose = f"belongs to {owner}" if owner else "holds rows that no run of an ingestion wrote"
    other_way = "" if owner else ", or empty the table"
    return SinkOwnerError(
        f"{target.table} {whose}; {mine} did not change it",
        f"Choose another target table{other_way}. To take it over, run once with --adopt: rows that this unit's source "
        "does not have are then removed.",
        table=target.table,
        owner=owner and owner.endpoint_id,
        owner_unit_id=owner and owner.unit_id,
        endpoint_id=mine.endpoint_id,
        unit_id=mine.unit_id,
    )
