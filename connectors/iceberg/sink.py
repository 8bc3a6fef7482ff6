"""Iceberg as a sink: one snapshot per slice with its receipt, census, raw tables and those of common models."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, ClassVar

from pyiceberg.exceptions import CommitFailedException

from connectors.iceberg import evolution, models
from connectors.iceberg.catalog import IcebergCatalog
from connectors.iceberg.census import Census
from connectors.iceberg.commits import Change, TableCommits, beginning, epoch_property, fenced
from connectors.iceberg.descriptor import DESCRIPTOR
from connectors.iceberg.errors import translated
from connectors.iceberg.files import ManifestCache
from connectors.iceberg.maintenance import Maintenance
from connectors.iceberg.owners import has_rows, owning, require_free, require_owner
from connectors.iceberg.receipts import receipt_in, receipts_in, with_receipt
from connectors.iceberg.records import conflicting
from connectors.iceberg.runs import RunRecords
from connectors.iceberg.target import IcebergTarget, UnitOwner, owner_in, provisioned, target_of
from connectors.iceberg.upsert import SliceWrite, WrittenSlice
from connectors.lake.runs import superseded
from connectors.slice_receipts import receipt_of
from contracts.endpoint import ConnectionReport, EndpointDescriptor
from contracts.errors import RunSupersededError, SinkOwnerError
from contracts.lineage import DatasetName
from contracts.plan import IngestionPlan, IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    import polars as pl
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from connectors.iceberg.config import IcebergConfig
    from contracts.endpoint import ProvisionedModel
    from contracts.mapping import CdmModel
    from contracts.model import Json
    from contracts.receipts import CensusReceipt, FrozenRun, RunHandle, RunRef, UpsertReceipt
    from contracts.staging import RecordReader

_TRIES = 30


class IcebergSink:
    """A ``SinkEndpoint`` that also finds gone rows, and takes rows of common models."""

    descriptor: ClassVar[EndpointDescriptor] = DESCRIPTOR
    supported_cdm_models: tuple[str, ...] = ("cdm.work.*", "cdm.doc.*")

    def __init__(self, config: IcebergConfig) -> None:
        self._config = config
        self._catalog = IcebergCatalog(config)
        self._runs = RunRecords(self._catalog, config.state_namespace)
        self._commits = TableCommits(self._catalog)
        self._cache = ManifestCache()
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)

    def test_connection(self) -> ConnectionReport:
        """Open the catalog and list its namespaces."""
        from pyiceberg import __version__  # noqa: PLC0415

        with translated("looking at the catalog"):
            namespaces = self._catalog.opened.list_namespaces()
        return ConnectionReport(
            server_version=f"pyiceberg {__version__}, catalog {self._config.catalog_type}",
            details={"namespaces": len(namespaces)},
        )

    def target_name(self, plan: IngestionPlan) -> DatasetName:
        """The table in its catalog, as other programs name it."""
        return DatasetName(namespace=self._catalog.namespace, name=str(self._target(plan)))

    def exclusive(self, ref: RunRef) -> AbstractContextManager[None]:
        """The lock of the (endpoint, unit, sink)."""
        return self._runs.exclusive(ref)

    def is_locked(self, ref: RunRef) -> bool:
        """Whether a run holds that lock."""
        return self._runs.is_locked(ref)

    def last_run(self, ref: RunRef) -> FrozenRun | None:
        """The run that took the newest epoch of this sink."""
        return self._runs.last_run(ref)

    def provision(self, plan: IngestionPlan) -> tuple[str, ...]:
        """Make or widen a table of raw rows, which the unit then owns; one of a common model must be there."""
        if plan.cdm_model is not None:
            self.require_model(plan.cdm_model)
            return ()
        target = self._target(plan)
        return self._fitted(target, UnitOwner.of(plan))

    def begin_run(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> RunHandle:
        """Take the next epoch, and make it the table's by a snapshot that moves the branch's head."""
        target = self._target(plan)
        table = self._own(target, plan)
        run = self._runs.begin(ref, run_id, plan, empty=self._is_empty(table, target, plan))

        def prepare(now: Table) -> Change | None:
            held = int(now.properties.get(epoch_property(ref), 0))
            if held > run.epoch:
                raise superseded(run, held)
            return beginning(run) if held < run.epoch else None

        self._commits.repeat(lambda: self._own(target, plan), prepare)
        return run

    def adopt(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> tuple[str, ...]:
        """Make the unit the owner and begin this run, in one commit: no commit of the owner before can follow it."""
        target, mine = self._target(plan), UnitOwner.of(plan)
        table = self._catalog.load(target.table)
        if table is None:
            return ()
        try:
            require_free(table, target, mine, self._runs)
        except SinkOwnerError:
            before = owner_in(table)
        else:
            return ()
        run = self._runs.begin(ref, run_id, plan, empty=False)
        self._commits.repeat(
            lambda: self._loaded(target), lambda now: None if owner_in(now) == mine else beginning(run, owning(mine))
        )
        return (f"{target} taken over from {before or 'somebody who is not on record'}",)

    def receipts(self, run: RunHandle) -> dict[str, UpsertReceipt]:
        """Receipts of the run by slice key."""
        frozen = self._runs.last_run(run.ref)
        if frozen is None or frozen.run_id != run.run_id:
            return {}
        table = self._catalog.load(self._target(frozen.plan).table)
        return receipts_in(table, run) if table is not None else {}

    def upsert(self, run: RunHandle, plan: IngestionPlan, piece: IngestionSlice, reader: RecordReader) -> UpsertReceipt:
        """One slice, one snapshot: rows, receipt, fence."""
        started = time.monotonic()
        target = self._target(plan)
        write = SliceWrite(self._cache, target, plan, reader, empty=run.target_was_empty)
        kept: list[UpsertReceipt] = []

        def prepare(table: Table) -> Change | None:
            if done := receipt_in(table, run, piece.key):
                kept[:] = [done]
                return None
            written = write.against(table)
            kept[:] = [receipt_of(run, piece, reader, written, time.monotonic() - started)]
            return with_receipt(table, run, kept[0], written)

        if run.target_was_empty and target.key:
            # What a first load writes is mostly new files: they are written side by side, and checked under the lock.
            table = self._held(target, plan, run)
            if receipt_in(table, run, piece.key) is None:
                write.against(table)
        try:
            with self._locks[target.table]:
                self._commits.repeat(lambda: self._held(target, plan, run), prepare)
        except (RunSupersededError, SinkOwnerError):
            # Met when the table was looked at, after each commit before was refused: nothing of the slice is in it.
            if (there := self._catalog.load(target.table)) is not None:
                write.discard(there)
            raise
        return kept[0]

    def finish_run(self, run: RunHandle, checkpoint: Json | None) -> None:
        """Note the end of the run."""
        self._runs.finish(run, checkpoint)

    def count_rows(self, plan: IngestionPlan) -> int:
        """Live rows of the unit's table."""
        target = self._target(plan)
        return Census(target, plan, self._loaded(target), self._cache, None).live_rows()

    def reconcile(
        self, run: RunHandle, plan: IngestionPlan, keys: RecordReader
    ) -> tuple[CensusReceipt, tuple[Json, ...]]:
        """Compare keys and treat gone rows, in one snapshot with a receipt."""
        missing: list[tuple[Json, ...]] = []

        def compared(census: Census) -> tuple[CensusReceipt, list[DataFile], list[DataFile]]:
            receipt, lacking, added, removed = census.reconciled()
            missing[:] = [lacking]
            return receipt, added, removed

        return self._census(run, plan, keys, "census", compared), missing[0]

    def remove(self, run: RunHandle, plan: IngestionPlan, keys: RecordReader) -> CensusReceipt:
        """Treat rows of exactly these keys as gone, in one snapshot with a receipt."""
        return self._census(run, plan, keys, "gone", Census.removed)

    def find_keys(
        self, plan: IngestionPlan, rows: RecordReader | None = None, *, absent: bool = False
    ) -> Iterator[pl.DataFrame]:
        """Keys of live rows, of one snapshot."""
        target = self._target(plan)
        table = provisioned(self._catalog.load(target.table), target)
        yield from Census(target, plan, table, self._cache, rows).found(absent=absent)

    def provision_model(self, model: CdmModel) -> ProvisionedModel:
        """Make or widen the model's table."""
        target = models.target_for(model, self._config, self.supported_cdm_models)
        lines = self._fitted(target, None)
        return models.provisioned_model(model, target, lines)

    def require_model(self, model: CdmModel) -> None:
        """The table is there and has every column of the model."""
        target = models.target_for(model, self._config, self.supported_cdm_models)
        models.require_table(self._catalog.load(target.table), target, model)

    def tombstones(self, plan: IngestionPlan) -> Iterator[pl.DataFrame]:
        """``source_id`` of our rows that are marked as gone and not alive under another key."""
        target = self._target(plan)
        return models.tombstoned_ids(self._loaded(target), target, self._cache)

    def compact(self, ref: RunRef) -> tuple[str, ...]:
        """Merge small files, forget old snapshots, remove stray files; what was done, one line each."""
        last = self._runs.last_run(ref)
        if last is None:
            return ()
        name, config = self._target(last.plan).table, self._config
        upkeep = Maintenance(self._catalog, self._commits, self._cache, self._runs, config.target_file_bytes)
        done = (
            upkeep.merge_files(name),
            upkeep.expire(name, config.keep_snapshots_s),
            upkeep.remove_strays(name, config.orphan_grace_s),
        )
        return tuple(f"{'.'.join(name)}: {line}" for line in done if line is not None)

    def close(self) -> None:
        """Close the catalog's connections."""
        self._catalog.close()

    def _census(
        self,
        run: RunHandle,
        plan: IngestionPlan,
        keys: RecordReader,
        kind: str,
        compare: Callable[[Census], tuple[CensusReceipt, list[DataFile], list[DataFile]]],
    ) -> CensusReceipt:
        started = time.monotonic()
        target = self._target(plan)
        piece = IngestionSlice(key=f"{kind}-{run.epoch}", sequence=len(plan.slices))
        result: list[CensusReceipt] = []

        def prepare(table: Table) -> Change:
            found, added, removed = compare(Census(target, plan, table, self._cache, keys))
            result[:] = [found]
            # What an earlier try of it in the same epoch had committed counts too.
            earlier = receipt_in(table, run, piece.key)
            written = WrittenSlice(
                "census",
                deleted=found.rows_deleted + (earlier.rows_deleted if earlier else 0),
                tombstoned=found.rows_tombstoned + (earlier.rows_tombstoned if earlier else 0),
                added=added,
                removed=removed,
            )
            receipt = receipt_of(run, piece, keys, written, time.monotonic() - started)
            return with_receipt(table, run, receipt, written)

        with self._locks[target.table]:
            self._commits.repeat(lambda: self._held(target, plan, run), prepare)
        return result[0]

    def _fitted(self, target: IcebergTarget, owner: UnitOwner | None) -> tuple[str, ...]:
        """Make the table, or make it fit; one line per change."""
        for _ in range(_TRIES):
            table = self._catalog.load(target.table)
            if table is None:
                if self._made(target, owner):
                    return (f"table {target} made",)
                continue
            if owner is not None and owner_in(table) != owner:
                require_free(table, target, owner, self._runs)
                evolution.lacking(table, target)
                self._commits.once(table, Change(properties=owning(owner)))
                continue
            lacking = evolution.lacking(table, target)
            if not target.key and evolution.is_keyed(table):
                self._commits.once(table, Change(properties=evolution.unkeyed()))
                continue
            if not lacking.lines:
                return ()
            try:
                self._catalog.commit(table, evolution.evolved(table, target, lacking, self._cache))
            except CommitFailedException:
                continue
            return tuple(f"{target}: {line}" for line in lacking.lines)
        raise conflicting(str(target))

    def _made(self, target: IcebergTarget, owner: UnitOwner | None) -> bool:
        namespace, name = target.table
        wanted = self._config.partition_by
        schema = evolution.schema_for(target)
        spec = evolution.partitions_for(target, schema, wanted.get(f"{namespace}.{name}", wanted.get(name, ())))
        said = {
            **evolution.properties_for(target),
            "write.target-file-size-bytes": str(self._config.target_file_bytes),
            "commit.manifest-merge.enabled": "true",
            **(owning(owner) if owner is not None else {}),
        }
        return self._catalog.create(target.table, schema, said, spec) is not None

    def _target(self, plan: IngestionPlan) -> IcebergTarget:
        if plan.cdm_model is not None:
            models.target_for(plan.cdm_model, self._config, self.supported_cdm_models)
        return target_of(plan, self._config)

    def _loaded(self, target: IcebergTarget) -> Table:
        return provisioned(self._catalog.load(target.table), target)

    def _own(self, target: IcebergTarget, plan: IngestionPlan) -> Table:
        """The table, of which the plan's unit is the owner; rows of common models have owners, their tables none."""
        table = self._loaded(target)
        if target.owner is None:
            require_owner(table, target, UnitOwner.of(plan))
        return table

    def _held(self, target: IcebergTarget, plan: IngestionPlan, run: RunHandle) -> Table:
        """The table, of which the unit is the owner and in which the run holds the epoch."""
        table = fenced(self._catalog.load(target.table), target, run)
        if target.owner is None:
            require_owner(table, target, UnitOwner.of(plan))
        return table

    def _is_empty(self, table: Table, target: IcebergTarget, plan: IngestionPlan) -> bool:
        if target.owner is None or not has_rows(table):
            return not has_rows(table)
        return not Census(target, plan, table, self._cache, None).has_owned_rows()
