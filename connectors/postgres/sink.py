"""PostgreSQL as a sink: one transaction per slice with its receipt, census; and raw rows, with their tables."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, ClassVar

from connectors.postgres import browsing, census, reading
from connectors.postgres.client import PostgresClient
from connectors.postgres.content import content_hash
from connectors.postgres.ddl import change
from connectors.postgres.descriptor import DESCRIPTOR
from connectors.postgres.doctor import driver_report
from connectors.postgres.ledger import Ledger
from connectors.postgres.naming import table_name
from connectors.postgres.ownership import TargetOwner, TargetOwners
from connectors.postgres.sql import ident, literal
from connectors.postgres.target import (
    ExistingTable,
    TargetTable,
    existing_table,
    has_unique_key,
    in_own_types,
    refuse_views,
    statements,
    target_of,
    type_statements,
    widened_columns,
)
from connectors.postgres.upsert import SliceUpsert
from connectors.slice_receipts import SliceCounts, receipt_of
from connectors.sql.predicates import where
from contracts.endpoint import ConnectionReport, ContentHash, EndpointDescriptor
from contracts.errors import (
    IngestionError,
    RunInProgressError,
    SinkNotProvisionedError,
    SinkOwnerError,
    SinkSchemaConflictError,
)
from contracts.plan import IngestionPlan, IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from connectors.postgres.config import PostgresConfig
    from connectors.postgres.session import Session, SqlSession
    from contracts.browsing import RowPage
    from contracts.lineage import DatasetName
    from contracts.model import Json
    from contracts.receipts import CensusReceipt, FrozenRun, RunHandle, RunRef, UpsertReceipt
    from contracts.staging import RecordReader


class TableSink:
    """What every sink of tables in PostgreSQL does; which table a plan's rows go to is the subclass's."""

    supported_cdm_models: tuple[str, ...] = ()

    def __init__(self, config: PostgresConfig) -> None:
        self._config = config
        self._client = PostgresClient(config, "sink")
        self._ledger = Ledger(config.state_schema)

    def test_connection(self) -> ConnectionReport:
        """Log in and look whether tables can be made."""
        with self._client.session() as session:
            version, account, may_create = session.rows(
                "SELECT current_setting('server_version') AS v, current_user::text AS u, "
                "has_database_privilege(current_database(), 'CREATE') AS c"
            )[0]
        warnings = (
            () if may_create else ("the role may not create schemas here: make the target and state schemas first",)
        )
        return ConnectionReport(server_version=version, account=account, warnings=warnings)

    def target_name(self, plan: IngestionPlan) -> DatasetName:
        """The table, as other programs name it."""
        target = self._target(plan)
        return table_name(self._config, target.schema, target.name)

    @contextmanager
    def exclusive(self, ref: RunRef) -> Iterator[None]:
        """Hold a session lock on a connection of its own: it ends with the process, whatever ends the process."""
        holder = self._client.connect()
        key = _lock_key(ref)
        try:
            locked = holder.value(f"SELECT pg_try_advisory_lock({key}) AS locked", f"locking {ref}")
            if not locked:
                raise RunInProgressError(
                    f"A run of {ref} is in progress", "Wait for it to end, or cancel it; then run again.", ref=str(ref)
                )
            try:
                yield
            finally:
                # A closed connection's backend lives on for a moment, and the next run may come sooner.
                with suppress(IngestionError):
                    holder.value(f"SELECT pg_advisory_unlock({key}) AS unlocked", f"unlocking {ref}")
        finally:
            holder.close()

    def is_locked(self, ref: RunRef) -> bool:
        """Whether a session holds the lock, from the view pg_locks (PostgreSQL manual, 54.12): nothing is taken.

        It shows the two halves of the key as ``classid`` and ``objid``, which are unsigned.
        """
        sql = (
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            f"AND (classid::bigint << 32) | objid::bigint = {_lock_key(ref)}) AS locked"
        )
        with self._client.session() as session:
            return bool(session.value(sql, f"looking for the lock of {ref}"))

    def last_run(self, ref: RunRef) -> FrozenRun | None:
        """The run that took the newest epoch of this sink."""
        self._ensure_ledger()
        with self._client.session() as session:
            return self._ledger.last_run(session, ref)

    def begin_run(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> RunHandle:
        """Take the next epoch. Slices of an older epoch that are being committed are waited for, at most a minute."""
        target = self._target(plan)
        with self._client.session() as session, session.transaction():
            session.execute("SET LOCAL lock_timeout = '60s'", "setting a lock timeout")
            self._require_own(session, target, plan)
            empty = not session.value(
                f"SELECT EXISTS (SELECT 1 FROM {target.table}{where(target.owned)}) AS found",
                f"looking at {target.table}",
            )
            return self._ledger.begin(session, ref, run_id, plan, empty=empty)

    def receipts(self, run: RunHandle) -> dict[str, UpsertReceipt]:
        """Receipts of the run by slice key."""
        with self._client.session() as session:
            return self._ledger.receipts(session, run)

    def upsert(self, run: RunHandle, plan: IngestionPlan, piece: IngestionSlice, reader: RecordReader) -> UpsertReceipt:
        """One slice, one transaction: rows, receipt, fence."""
        started = time.monotonic()
        target = self._target(plan)
        with self._client.writing(reader.manifest.rows) as session, session.transaction():
            if done := self._ledger.receipt(session, run, piece.key):
                return done
            self._ledger.check_fence(session, run)
            table = _provisioned(session, target)
            writer = SliceUpsert(session, target, table, plan.policy.cursor_columns, plan.on_gone)
            written = writer.write(reader, empty_target=run.target_was_empty)
            receipt = receipt_of(run, piece, reader, written, time.monotonic() - started)
            self._require_own(session, target, plan)
            self._ledger.file(session, run, receipt)
        return receipt

    def finish_run(self, run: RunHandle, checkpoint: Json | None) -> None:
        """Note the end of the run."""
        with self._client.session() as session:
            self._ledger.finish(session, run, checkpoint)

    def count_rows(self, plan: IngestionPlan) -> int:
        """Live rows of the unit's table."""
        with self._client.session() as session:
            return census.live_rows(session, self._target(plan))

    def reconcile(
        self, run: RunHandle, plan: IngestionPlan, keys: RecordReader
    ) -> tuple[CensusReceipt, tuple[Json, ...]]:
        """Compare keys and treat gone rows, in one transaction with a receipt."""
        started = time.monotonic()
        target = self._target(plan)
        piece = IngestionSlice(key=f"census-{run.epoch}", sequence=len(plan.slices))
        with self._client.session() as session, session.transaction():
            self._ledger.check_fence(session, run)
            census_receipt, missing = census.reconcile(session, target, _provisioned(session, target).types, plan, keys)
            written = self._removed_so_far(session, run, piece, census_receipt)
            self._require_own(session, target, plan)
            self._ledger.file(session, run, receipt_of(run, piece, keys, written, time.monotonic() - started))
        return census_receipt, missing

    def remove(self, run: RunHandle, plan: IngestionPlan, keys: RecordReader) -> CensusReceipt:
        """Treat rows of exactly these keys as gone, in one transaction with a receipt."""
        started = time.monotonic()
        target = self._target(plan)
        piece = IngestionSlice(key=f"gone-{run.epoch}", sequence=len(plan.slices))
        with self._client.session() as session, session.transaction():
            self._ledger.check_fence(session, run)
            census_receipt = census.remove(session, target, _provisioned(session, target).types, plan, keys)
            written = self._removed_so_far(session, run, piece, census_receipt)
            self._require_own(session, target, plan)
            self._ledger.file(session, run, receipt_of(run, piece, keys, written, time.monotonic() - started))
        return census_receipt

    def find_keys(
        self, plan: IngestionPlan, rows: RecordReader | None = None, *, absent: bool = False
    ) -> Iterator[pl.DataFrame]:
        """Keys of live rows, in one transaction that lasts until the last of them is taken."""
        target = self._target(plan)
        with self._client.session() as session, session.transaction():
            yield from census.find_keys(session, target, _provisioned(session, target).types, plan, rows, absent=absent)

    def landed_rows(self, plan: IngestionPlan, page: RowPage) -> pl.DataFrame:
        """Live rows of the plan's own in its target."""
        return browsing.page_of(self._client, self._target(plan), page)

    def driver_report(self) -> Json:
        """What moving rows through the driver costs; see :func:`connectors.postgres.doctor.driver_report`."""
        return driver_report(self._client)

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def _ensure_ledger(self) -> None:
        """Make the sink's own tables where they are missing."""
        with self._client.session() as session:
            there = self._ledger.exists(session)
        if not there:
            change(self._client, f"schema {self._config.state_schema}", self._ledger.create)

    def _removed_so_far(
        self, session: Session, run: RunHandle, piece: IngestionSlice, census_receipt: CensusReceipt
    ) -> SliceCounts:
        """What this census removed, and what an earlier try of it in the same epoch had committed."""
        earlier = self._ledger.receipt(session, run, piece.key)
        return SliceCounts(
            "census",
            deleted=census_receipt.rows_deleted + (earlier.rows_deleted if earlier else 0),
            tombstoned=census_receipt.rows_tombstoned + (earlier.rows_tombstoned if earlier else 0),
        )

    def _target(self, plan: IngestionPlan) -> TargetTable:
        """The table of a plan's rows."""
        raise NotImplementedError

    def _require_own(self, session: SqlSession, target: TargetTable, plan: IngestionPlan) -> None:
        """Raise when the plan's unit may not write to the table; here rows have owners, and tables have none."""


class PostgresSink(TableSink):
    """A ``SinkEndpoint`` for raw rows that can also find gone rows and hash its content."""

    descriptor: ClassVar[EndpointDescriptor] = DESCRIPTOR
    most_columns: ClassVar[int] = 1_600
    """PostgreSQL manual, appendix "PostgreSQL Limits"."""

    def __init__(self, config: PostgresConfig) -> None:
        super().__init__(config)
        self._owners = TargetOwners(config.state_schema, config.target_schema)

    def adopt(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> tuple[str, ...]:
        """Make the unit the owner; what a run of the owner before has not committed yet, it never will.

        The run begins in the same transaction: whatever the unit's checkpoint says, it does not speak for these rows.
        """
        target, mine = self._target(plan), TargetOwner.of(plan)
        self._ensure_ledger()

        def adopted(session: Session) -> tuple[str, ...]:
            try:
                self._owners.claim(session, target, plan, exists=existing_table(session, target).exists)
            except SinkOwnerError:
                before = self._owners.owner(session, target)
                self._owners.record(session, target, mine)
                self._ledger.begin(session, ref, run_id, plan, empty=False)
                return (f"{target.table} taken over from {before or 'somebody who is not on record'}",)
            return ()

        return change(self._client, target.table, adopted)

    def provision(self, plan: IngestionPlan) -> tuple[str, ...]:
        """Make or widen the table, in one transaction; from then on the unit owns it."""
        target = self._target(plan)
        self._ensure_ledger()
        with self._client.session() as session:
            if self._owners.owner(session, target) == TargetOwner.of(plan) and not _lacking(session, target):
                return ()

        def provisioned(session: Session) -> tuple[str, ...]:
            self._owners.claim(session, target, plan, exists=existing_table(session, target).exists)
            lines = _lacking(session, target)
            for line in lines:
                session.execute(line, f"preparing {target.table}")
            return tuple(lines)

        return change(self._client, target.table, provisioned)

    def content_hash(self, plan: IngestionPlan, piece: IngestionSlice) -> ContentHash:
        """Hash of the target's live rows in the slice's range."""
        target = self._target(plan)
        conditions = [*reading.slice_conditions(in_own_types(plan, target), piece), *target.live]
        with self._client.session() as session:
            return content_hash(session, target.table, list(target.columns), conditions, f"hashing {target.table}")

    def _target(self, plan: IngestionPlan) -> TargetTable:
        return target_of(plan, self._config)

    def _require_own(self, session: SqlSession, target: TargetTable, plan: IngestionPlan) -> None:
        self._owners.require(session, target, plan)


def _lock_key(ref: RunRef) -> str:
    return f"hashtextextended({literal(f'nucleus run {ref}')}, 0)"


def _lacking(session: Session, target: TargetTable) -> list[str]:
    """Statements that make the table fit; none when it does."""
    table = existing_table(session, target)
    if table.exists and target.key and not has_unique_key(session, target):
        raise SinkSchemaConflictError(
            f"{target.table} exists without a unique key on ({', '.join(target.key)})",
            "Add that key to the table, or give the unit another target_name; nothing was written.",
            table=target.table,
        )
    lines = [*_missing_schema(session, target), *type_statements(session, target), *statements(target, table)]
    if widened := widened_columns(target, table):
        refuse_views(session, target, widened)
    return lines


def _missing_schema(session: Session, target: TargetTable) -> list[str]:
    there = session.value(f"SELECT to_regnamespace({literal(ident(target.schema))}) IS NOT NULL AS there")
    return [] if there else [f"CREATE SCHEMA {ident(target.schema)}"]


def _provisioned(session: SqlSession, target: TargetTable) -> ExistingTable:
    table = existing_table(session, target)
    lacking = [name for name in target.columns if name not in table.types]
    if not table.exists or lacking:
        raise SinkNotProvisionedError(
            f"{target.table} is missing{' columns ' + ', '.join(lacking) if table.exists else ''}",
            "It was dropped or changed during the run. Run again: it is created again.",
            table=target.table,
        )
    return table
