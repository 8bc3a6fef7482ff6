"""Parquet files as a sink: one manifest per slice with its files and its receipt, and the census."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar
from uuid import uuid4

from connectors.lake.runs import ref_key, superseded
from connectors.object_parquet.census import StateFiles, census_of
from connectors.object_parquet.descriptor import DESCRIPTOR
from connectors.object_parquet.files import DataFiles
from connectors.object_parquet.glue import GlueTables
from connectors.object_parquet.latest import lines_for
from connectors.object_parquet.manifests import Manifest, ManifestLog
from connectors.object_parquet.place import ParquetPlace
from connectors.object_parquet.provisioning import adaptation, described, named, owner_of, refusal
from connectors.object_parquet.publishing import publish
from connectors.object_parquet.receipts import beginning, filed, receipts_of
from connectors.object_parquet.target import ParquetTable, table_of
from connectors.object_parquet.upkeep import compacted, remove_strays
from connectors.object_parquet.upsert import ParquetSliceWrite, WrittenFiles
from connectors.slice_receipts import receipt_of
from contracts.endpoint import ConnectionReport, EndpointDescriptor
from contracts.errors import SinkLockedError, SinkNotProvisionedError
from contracts.plan import IngestionPlan, IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import polars as pl

    from connectors.lake.census import KeyCensus
    from connectors.object_parquet.config import ParquetConfig
    from connectors.object_parquet.manifests import DataFileEntry, TableState
    from contracts.catalog import LogicalType
    from contracts.lineage import DatasetName
    from contracts.model import Json
    from contracts.receipts import CensusReceipt, FrozenRun, RunHandle, RunRef, UpsertReceipt
    from contracts.staging import RecordReader

_TRIES = 50


class ParquetSink:
    """A ``SinkEndpoint`` of raw rows that also finds gone rows."""

    descriptor: ClassVar[EndpointDescriptor] = DESCRIPTOR
    supported_cdm_models: tuple[str, ...] = ()

    def __init__(self, config: ParquetConfig) -> None:
        self._config = config
        self.place = ParquetPlace(config)
        self._runs = self.place.runs
        self._glue = GlueTables(config, config.glue_database) if config.glue_database else None
        self._logs: dict[str, ManifestLog] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def test_connection(self) -> ConnectionReport:
        """Write, read and delete a small object, twice under a condition; look for the Glue database."""
        self.place.check()
        if self._glue is not None:
            self._glue.check()
        return ConnectionReport(server_version="Parquet files", details={"root": self._config.root})

    def target_name(self, plan: IngestionPlan) -> DatasetName:
        """The table's folder, as other programs name it."""
        return self.place.dataset_name(table_of(plan, self._config).folder)

    def exclusive(self, ref: RunRef) -> AbstractContextManager[None]:
        """The lock of the (endpoint, unit, sink)."""
        return self.place.locks.exclusive(ref)

    def is_locked(self, ref: RunRef) -> bool:
        """Whether a run holds that lock."""
        return self.place.locks.is_locked(ref)

    def last_run(self, ref: RunRef) -> FrozenRun | None:
        """The run that took the newest epoch of this sink."""
        return self._runs.last_run(ref)

    def provision(self, plan: IngestionPlan) -> tuple[str, ...]:
        """Make or widen the table, which the unit then owns."""
        target, mine = table_of(plan, self._config), owner_of(plan)
        _ = target.wanted  # its names are checked before anything is looked at
        if self._glue is not None:
            self._glue.require_names(target)
        lines: list[str] = []

        def prepare(state: TableState | None) -> Manifest | None:
            lines.clear()
            if state is None:
                lines.append(f"table {target} made")
                return Manifest(
                    table_id=uuid4().hex, operation="create", owner=mine, key=target.key, columns=described(target)
                )
            self._require_free(state, target, mine)
            needed = adaptation(state, target)
            lines.extend(f"{target}: {line}" for line in needed.lines)
            # Rows without a key may come into it from now on, so it has none any more.
            key = () if state.key and not target.key else None
            if not needed.columns and state.owner == mine and key is None:
                return None
            added: tuple[DataFileEntry, ...] = ()
            removed: tuple[str, ...] = ()
            if needed.rewritten:
                added, removed = self._rewritten(target, state, needed.columns)
            return Manifest(
                table_id=state.table_id,
                operation="provision",
                owner=mine,
                key=key,
                columns=needed.columns,
                added=added,
                removed=removed,
            )

        self._repeat(target, lambda: self._log(target).load(), prepare)
        return tuple(lines)

    def begin_run(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> RunHandle:
        """Take the next epoch, and make it the table's by a commit."""
        target = table_of(plan, self._config)
        state = self._own(target, plan)
        run = self._runs.begin(ref, run_id, plan, empty=not state.rows)

        def prepare(now: TableState | None) -> Manifest | None:
            assert now is not None  # noqa: S101 — loaded as owned
            held = now.epochs.get(ref_key(ref), 0)
            if held > run.epoch:
                raise superseded(run, held)
            return beginning(now, run) if held < run.epoch else None

        self._repeat(target, lambda: self._own(target, plan), prepare)
        return run

    def adopt(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> tuple[str, ...]:
        """Make the unit the owner and begin this run, in one commit: no commit of the owner before can follow it."""
        target, mine = table_of(plan, self._config), owner_of(plan)
        state = self._log(target).load()
        if state is None or state.owner == mine or not self._is_taken(state):
            return ()
        before = state.owner
        run = self._runs.begin(ref, run_id, plan, empty=not state.rows)

        def prepare(now: TableState | None) -> Manifest | None:
            if now is None or now.owner == mine:
                return None
            return beginning(now, run).model_copy(update={"owner": mine, "operation": "adopt"})

        self._repeat(target, lambda: self._loaded(target), prepare)
        return (f"{target} taken over from {named(before)}",)

    def receipts(self, run: RunHandle) -> dict[str, UpsertReceipt]:
        """Receipts of the run by slice key."""
        frozen = self._runs.last_run(run.ref)
        if frozen is None or frozen.run_id != run.run_id:
            return {}
        state = self._log(table_of(frozen.plan, self._config)).load()
        return receipts_of(state, run) if state is not None else {}

    def upsert(self, run: RunHandle, plan: IngestionPlan, piece: IngestionSlice, reader: RecordReader) -> UpsertReceipt:
        """One slice, one manifest: files, receipt, fence."""
        started = time.monotonic()
        target = table_of(plan, self._config)
        files = self._files(target)
        write = ParquetSliceWrite(files, target, plan, reader, empty=run.target_was_empty)
        kept: list[UpsertReceipt] = []
        asked: list[bool] = []

        def held() -> TableState:
            asked.clear()  # a commit before was refused for certain
            return self._held(target, plan, run)

        def prepare(state: TableState | None) -> Manifest | None:
            assert state is not None  # noqa: S101 — loaded as held
            if done := receipts_of(state, run).get(piece.key):
                kept[:] = [done]
                return None
            written = write.against(state)
            kept[:] = [receipt_of(run, piece, reader, written, time.monotonic() - started)]
            asked[:] = [True]
            return filed(state, run, kept[0], written)

        try:
            state = held()
            if run.target_was_empty and target.key and piece.key not in receipts_of(state, run):
                # What a first load writes is mostly new files: written side by side, and checked under the lock.
                write.against(state)
            with self._locks[target.folder]:
                self._repeat(target, held, prepare)
        except Exception:
            # Whatever a commit failed with, it may be there; its files are left to the cleaning.
            if not asked:
                write.discard()
            raise
        return kept[0]

    def finish_run(self, run: RunHandle, checkpoint: Json | None) -> None:
        """Note the end of the run, after other programs were told of the live files where that is asked for."""
        if self._publishes and (frozen := self._runs.last_run(run.ref)) is not None:
            self._publish(table_of(frozen.plan, self._config))
        self._runs.finish(run, checkpoint)

    def count_rows(self, plan: IngestionPlan) -> int:
        """Live rows of the unit's table."""
        target = table_of(plan, self._config)
        return self._census_of(target, plan, self._loaded(target), None).live_rows()

    def reconcile(
        self, run: RunHandle, plan: IngestionPlan, keys: RecordReader
    ) -> tuple[CensusReceipt, tuple[Json, ...]]:
        """Compare keys and treat gone rows, in one commit with a receipt."""
        missing: list[tuple[Json, ...]] = [()]

        def compared(
            census: KeyCensus[DataFileEntry, DataFileEntry],
        ) -> tuple[CensusReceipt, list[DataFileEntry], list[DataFileEntry]]:
            receipt, lacking, added, removed = census.reconciled()
            missing[:] = [lacking]
            return receipt, added, removed

        return self._census(run, plan, keys, "census", compared), missing[0]

    def remove(self, run: RunHandle, plan: IngestionPlan, keys: RecordReader) -> CensusReceipt:
        """Treat rows of exactly these keys as gone, in one commit with a receipt."""
        return self._census(run, plan, keys, "gone", lambda census: census.removed())

    def find_keys(
        self, plan: IngestionPlan, rows: RecordReader | None = None, *, absent: bool = False
    ) -> Iterator[pl.DataFrame]:
        """Keys of live rows, of one state of the table."""
        target = table_of(plan, self._config)
        yield from self._census_of(target, plan, self._loaded(target), rows).found(absent=absent)

    def compact(self, ref: RunRef) -> tuple[str, ...]:
        """Write small files as large ones, remove stray files, empty old manifests; what was done, one line each."""
        last = self._runs.last_run(ref)
        if last is None:
            return ()
        target = table_of(last.plan, self._config)
        log, files = self._log(target), self._files(target)
        with self._locks[target.folder]:
            merged = compacted(log, files, self._config.target_file_bytes)
        if merged and self._publishes:
            self._publish(target)
        strays = remove_strays(self.place.objects, log, target.folder, self._config.orphan_grace_s)
        return tuple(f"{target}: {line}" for line in (merged, *strays) if line)

    def reading_lines(self, ref: RunRef) -> dict[str, str]:
        """Lines for polars, DuckDB, Spark and, over the symlink manifest, Hive; those of the first two are tested."""
        last = self._runs.last_run(ref)
        if last is None:
            return {}
        in_hdfs = self._config.name_node is not None
        return lines_for(self.place.objects, table_of(last.plan, self._config), in_hdfs=in_hdfs)

    def state(self, plan: IngestionPlan) -> TableState | None:
        """The plan's table as it is now."""
        return self._log(table_of(plan, self._config)).load()

    def close(self) -> None:
        """Release connections."""
        self.place.objects.close()

    @property
    def _publishes(self) -> bool:
        return self._config.symlink_manifest or self._glue is not None

    def _publish(self, target: ParquetTable) -> None:
        table = publish(self.place.objects, target.folder, self._loaded(target))
        if self._glue is not None:
            self._glue.register(self.place.objects, target, table)

    def _census(
        self,
        run: RunHandle,
        plan: IngestionPlan,
        keys: RecordReader,
        kind: str,
        compare: Callable[
            [KeyCensus[DataFileEntry, DataFileEntry]],
            tuple[CensusReceipt, list[DataFileEntry], list[DataFileEntry]],
        ],
    ) -> CensusReceipt:
        started = time.monotonic()
        target = table_of(plan, self._config)
        piece = IngestionSlice(key=f"{kind}-{run.epoch}", sequence=len(plan.slices))
        result: list[CensusReceipt] = []

        def prepare(state: TableState | None) -> Manifest:
            assert state is not None  # noqa: S101 — loaded as held
            found, added, removed = compare(self._census_of(target, plan, state, keys))
            result[:] = [found]
            # What an earlier try of it in the same epoch had committed counts too.
            earlier = receipts_of(state, run).get(piece.key)
            written = WrittenFiles(
                "census",
                deleted=found.rows_deleted + (earlier.rows_deleted if earlier else 0),
                tombstoned=found.rows_tombstoned + (earlier.rows_tombstoned if earlier else 0),
                added=added,
                removed=[file.path for file in removed],
            )
            return filed(state, run, receipt_of(run, piece, keys, written, time.monotonic() - started), written)

        with self._locks[target.folder]:
            self._repeat(target, lambda: self._held(target, plan, run), prepare)
        return result[0]

    def _census_of(
        self, target: ParquetTable, plan: IngestionPlan, state: TableState, keys: RecordReader | None
    ) -> KeyCensus[DataFileEntry, DataFileEntry]:
        return census_of(target, plan, StateFiles(self._files(target), state), keys)

    def _repeat(
        self,
        target: ParquetTable,
        load: Callable[[], TableState | None],
        prepare: Callable[[TableState | None], Manifest | None],
    ) -> None:
        """Prepare a commit of the newest state and write it, again and again until nobody comes between."""
        log = self._log(target)
        for tries in range(_TRIES):
            state = load()
            said = prepare(state)
            if said is None or log.commit(state, said) is not None:
                return
            time.sleep(random.uniform(0, min(0.02 * 2**tries, 1.0)))  # noqa: S311 — only spreads the tries
        raise SinkLockedError(f"Others keep committing to {target}", "Run again when fewer processes write.")

    def _rewritten(
        self, target: ParquetTable, state: TableState, columns: dict[str, tuple[LogicalType, str]]
    ) -> tuple[tuple[DataFileEntry, ...], tuple[str, ...]]:
        """Every file again, in the wider types."""
        wider = StateFiles.widened(state, columns)
        files = self._files(target)
        added = [made for file in state.files.values() for made in files.write(wider, files.read(wider, file))]
        return tuple(added), tuple(state.files)

    def _log(self, target: ParquetTable) -> ManifestLog:
        log = self._logs.get(target.folder)
        return log or self._logs.setdefault(target.folder, ManifestLog(self.place.objects, target.folder))

    def _files(self, target: ParquetTable) -> DataFiles:
        return DataFiles(self.place.objects, self._config, target)

    def _loaded(self, target: ParquetTable) -> TableState:
        """The table, provided that it can take the target's rows."""
        return self._fitting(target, self._log(target).load())

    def _fitting(self, target: ParquetTable, state: TableState | None) -> TableState:
        lacking = [name for name in target.wanted if state is not None and name not in state.columns]
        if state is None or lacking:
            raise SinkNotProvisionedError(
                f"{target} is missing{' columns ' + ', '.join(lacking) if lacking else ''}",
                "It was dropped or changed during the run. Run again: it is created again.",
                table=str(target),
            )
        return state

    def _own(self, target: ParquetTable, plan: IngestionPlan) -> TableState:
        return _owned(target, plan, self._loaded(target))

    def _held(self, target: ParquetTable, plan: IngestionPlan, run: RunHandle) -> TableState:
        """The table, in which the run holds the epoch and of which the unit is the owner."""
        state = self._log(target).load()
        held = state.epochs.get(ref_key(run.ref)) if state is not None else None
        if held is not None and held != run.epoch:
            raise superseded(run, held)
        there = _owned(target, plan, self._fitting(target, state))
        if held is None:
            raise SinkNotProvisionedError(
                f"{target} was dropped and made anew during the run", "Run again.", table=str(target)
            )
        return there

    def _require_free(self, state: TableState, target: ParquetTable, mine: tuple[str, str]) -> None:
        if state.owner != mine and self._is_taken(state):
            raise refusal(target, mine, state.owner)

    def _is_taken(self, state: TableState) -> bool:
        """Whether the table holds rows, or a run of its owner is under way into it."""
        last = self._runs.last_run(state.last_ref) if state.last_ref else None
        return bool(state.rows) or (last is not None and last.finished_at is None)


def _owned(target: ParquetTable, plan: IngestionPlan, state: TableState) -> TableState:
    if state.owner != owner_of(plan):
        raise refusal(target, owner_of(plan), state.owner)
    return state
