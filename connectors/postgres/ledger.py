"""What the sink remembers: which run holds the epoch, the plan it froze, and a receipt for every slice.

Three small tables in a schema of their own. ``runs`` has one row per (endpoint, unit, sink): its ``epoch`` is the
fence. ``receipts`` has one row per slice of the current run, written in the transaction of the slice's rows.
``targets`` has one row per table of raw rows: its owner (:mod:`connectors.postgres.ownership`).
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.postgres.sql import ident, literal, qualified
from contracts.errors import RunSupersededError
from contracts.plan import IngestionPlan
from contracts.receipts import FrozenRun, RunHandle, RunRef, UpsertReceipt

if TYPE_CHECKING:
    from connectors.postgres.session import SqlSession
    from contracts.model import Json


class Ledger:
    """Statements over its tables; the caller brings the session and the transaction."""

    def __init__(self, schema: str) -> None:
        self._schema = schema
        self._runs = qualified(schema, "runs")
        self._receipts = qualified(schema, "receipts")
        self._targets = qualified(schema, "targets")

    def exists(self, session: SqlSession) -> bool:
        """Whether the tables are there; the one that was added last tells."""
        return bool(session.value(f"SELECT to_regclass({literal(self._targets)}) IS NOT NULL AS there"))

    def create(self, session: SqlSession) -> None:
        """Make schema and tables where they are missing; no other change is made meanwhile."""
        there = session.value(f"SELECT to_regnamespace({literal(ident(self._schema))}) IS NOT NULL AS there")
        for statement in self._ddl()[1 if there else 0 :]:
            session.execute(statement, "creating the ledger")

    def _ddl(self) -> list[str]:
        ref = "endpoint_id text NOT NULL, unit_id text NOT NULL, sink_id text NOT NULL"
        return [
            f"CREATE SCHEMA IF NOT EXISTS {ident(self._schema)}",
            (
                f"CREATE TABLE IF NOT EXISTS {self._runs} ({ref}, epoch bigint NOT NULL, run_id text NOT NULL, "
                "plan text NOT NULL, started_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
                "finished_at timestamptz, "
                "target_was_empty boolean NOT NULL, checkpoint text, PRIMARY KEY (endpoint_id, unit_id, sink_id))"
            ),
            (
                f"CREATE TABLE IF NOT EXISTS {self._receipts} ({ref}, run_id text NOT NULL, slice_key text NOT NULL, "
                "epoch bigint NOT NULL, receipt text NOT NULL, "
                "committed_at timestamptz NOT NULL DEFAULT clock_timestamp(), "
                "PRIMARY KEY (endpoint_id, unit_id, sink_id, run_id, slice_key))"
            ),
            (
                f"CREATE TABLE IF NOT EXISTS {self._targets} (target_schema text NOT NULL, target_name text NOT NULL, "
                "endpoint_id text NOT NULL, unit_id text NOT NULL, "
                "since timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (target_schema, target_name))"
            ),
            f"COMMENT ON TABLE {self._targets} IS 'Nucleus ingestion: the unit that owns each table of raw rows'",
            f"COMMENT ON TABLE {self._runs} IS 'Nucleus ingestion: the run that holds each (endpoint, unit, sink)'",
            f"COMMENT ON TABLE {self._receipts} IS 'Nucleus ingestion: one row per slice, committed with its rows'",
        ]

    def last_run(self, session: SqlSession, ref: RunRef) -> FrozenRun | None:
        """The run that holds the epoch, finished or not."""
        rows = session.rows(
            "SELECT run_id, epoch, plan, started_at::text AS s, finished_at::text AS f, target_was_empty, checkpoint "
            f"FROM {self._runs} WHERE {_where(ref)}",
            f"reading the last run of {ref}",
        )
        if not rows:
            return None
        run_id, epoch, plan, started, finished, was_empty, checkpoint = rows[0]
        return FrozenRun(
            ref=ref,
            run_id=run_id,
            epoch=epoch,
            plan=IngestionPlan.model_validate_json(plan),
            started_at=datetime.fromisoformat(started),
            finished_at=datetime.fromisoformat(finished) if finished else None,
            target_was_empty=was_empty,
            checkpoint=json.loads(checkpoint) if checkpoint else None,
        )

    def begin(self, session: SqlSession, ref: RunRef, run_id: str, plan: IngestionPlan, *, empty: bool) -> RunHandle:
        """Take the next epoch; another run id begins again, the same one resumes. Waits for running slices."""
        values = ", ".join(literal(text) for text in (ref.endpoint_id, ref.unit_id, ref.sink_id))
        frozen = literal(plan.model_dump_json())
        rows = session.rows(
            f"INSERT INTO {self._runs} AS r (endpoint_id, unit_id, sink_id, epoch, run_id, plan, target_was_empty) "
            f"VALUES ({values}, 1, {literal(run_id)}, {frozen}, {'true' if empty else 'false'}) "
            "ON CONFLICT (endpoint_id, unit_id, sink_id) DO UPDATE SET epoch = r.epoch + 1, plan = excluded.plan, "
            "started_at = CASE WHEN r.run_id = excluded.run_id THEN r.started_at ELSE clock_timestamp() END, "
            "target_was_empty = CASE WHEN r.run_id = excluded.run_id THEN r.target_was_empty "
            "ELSE excluded.target_was_empty END, "
            "checkpoint = CASE WHEN r.run_id = excluded.run_id THEN r.checkpoint END, "
            "finished_at = NULL, run_id = excluded.run_id RETURNING r.epoch, r.target_was_empty",
            f"taking the next epoch of {ref}",
        )
        epoch, was_empty = rows[0]
        session.execute(
            f"DELETE FROM {self._receipts} WHERE {_where(ref)} AND run_id <> {literal(run_id)}",
            "forgetting old receipts",
        )
        return RunHandle(ref=ref, run_id=run_id, epoch=epoch, target_was_empty=was_empty, target_is_empty=empty)

    def receipts(self, session: SqlSession, run: RunHandle) -> dict[str, UpsertReceipt]:
        """All receipts of the run by slice key."""
        rows = session.rows(
            f"SELECT slice_key, receipt FROM {self._receipts} "
            f"WHERE {_where(run.ref)} AND run_id = {literal(run.run_id)}",
            f"reading the receipts of {run.ref}",
        )
        return {key: UpsertReceipt.model_validate_json(text) for key, text in rows}

    def receipt(self, session: SqlSession, run: RunHandle, slice_key: str) -> UpsertReceipt | None:
        """The receipt of one slice, or None; no other run writes the slice until the caller's transaction ends.

        A commit whose answer was lost may still be under way: its outcome is waited for, or a retry would write twice.
        """
        name = literal(f"nucleus slice {run.ref} {run.run_id} {slice_key}")
        session.rows(
            f"SELECT pg_advisory_xact_lock(hashtextextended({name}, 0))::text AS l", f"waiting for slice {slice_key}"
        )
        text = session.value(
            f"SELECT receipt FROM {self._receipts} WHERE {_where(run.ref)} AND run_id = {literal(run.run_id)} "
            f"AND slice_key = {literal(slice_key)}",
            f"looking for the receipt of slice {slice_key}",
        )
        return UpsertReceipt.model_validate_json(text) if text else None

    def file(self, session: SqlSession, run: RunHandle, receipt: UpsertReceipt) -> None:
        """Write a receipt and check the fence, as the last acts of a slice's transaction.

        The row lock makes a newer run wait for this commit, so that the receipts it reads are complete.

        Raises:
            RunSupersededError: A newer run holds the epoch; the transaction must not commit.
        """
        values = ", ".join(
            literal(text)
            for text in (run.ref.endpoint_id, run.ref.unit_id, run.ref.sink_id, run.run_id, receipt.slice_key)
        )
        session.execute(
            f"INSERT INTO {self._receipts} (endpoint_id, unit_id, sink_id, run_id, slice_key, epoch, receipt) "
            f"VALUES ({values}, {run.epoch}, {literal(receipt.model_dump_json())}) "
            "ON CONFLICT (endpoint_id, unit_id, sink_id, run_id, slice_key) DO UPDATE SET epoch = excluded.epoch, "
            "receipt = excluded.receipt, committed_at = clock_timestamp()",
            f"filing the receipt of slice {receipt.slice_key}",
        )
        self.check_fence(session, run, lock=True)

    def check_fence(self, session: SqlSession, run: RunHandle, *, lock: bool = False) -> None:
        """Raise when the run does not hold the epoch any more."""
        epoch = session.value(
            f"SELECT epoch FROM {self._runs} WHERE {_where(run.ref)}{' FOR SHARE' if lock else ''}",
            "checking the epoch",
        )
        if epoch != run.epoch:
            raise RunSupersededError(
                f"Run {run.run_id} of {run.ref} held epoch {run.epoch}, and a newer run holds {epoch}",
                "Nothing of this slice was written; look at the newer run.",
                epoch=run.epoch,
                newer_epoch=epoch,
            )

    def finish(self, session: SqlSession, run: RunHandle, checkpoint: Json | None) -> None:
        """Note the end of the run and its checkpoint, under the fence."""
        with session.transaction():
            self.check_fence(session, run, lock=True)
            kept = literal(json.dumps(checkpoint)) if checkpoint is not None else "NULL"
            session.execute(
                f"UPDATE {self._runs} SET finished_at = clock_timestamp(), checkpoint = {kept} WHERE {_where(run.ref)}",
                f"finishing {run.ref}",
            )


def _where(ref: RunRef) -> str:
    parts = {"endpoint_id": ref.endpoint_id, "unit_id": ref.unit_id, "sink_id": ref.sink_id}
    return " AND ".join(f"{name} = {literal(value)}" for name, value in parts.items())
