"""One snapshot per slice: its rows, and in its summary its receipt; the fence; and what became of a commit.

The fence is a table property with the newest epoch of each (endpoint, unit, sink), set together with a snapshot of its
own when a run begins. Every commit is made from a state in which that property is the run's own epoch, and requires
that the branch's head is still that state's: a run that began in between has moved it. So no commit of an overtaken
run can follow the beginning of the newer one, whoever tries again.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import CommitFailedException

from connectors.iceberg.catalog import OneCommit
from connectors.iceberg.errors import translated
from connectors.iceberg.records import conflicting
from connectors.iceberg.target import provisioned
from connectors.lake.runs import ref_key, superseded
from contracts.errors import IngestionError, SinkNotProvisionedError, SinkUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.table.update.snapshot import _SnapshotProducer

    from connectors.iceberg.catalog import IcebergCatalog
    from connectors.iceberg.target import IcebergTarget
    from contracts.receipts import RunHandle, RunRef

REF, RUN, EPOCH = "nucleus.ref", "nucleus.run-id", "nucleus.epoch"
"""In the summary of every snapshot of a run."""
LAST_REF = "nucleus.last-ref"
"""Table property: whose run began last."""
_TRIES = 50


@dataclass
class Change:
    """What a commit does to a table's files.

    Attributes:
        added: New data files.
        removed: Files that are no longer part of the table.
        summary: What is said in the snapshot.
        properties: Table properties that change with it.
        forgotten: Snapshots that the table need not remember any more.
    """

    added: Sequence[DataFile] = ()
    removed: Sequence[DataFile] = ()
    summary: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    forgotten: Sequence[int] = ()


class TableCommits:
    """Commits to tables of one catalog."""

    def __init__(self, catalog: IcebergCatalog) -> None:
        self._catalog = catalog

    def once(self, table: Table, change: Change) -> bool:
        """Commit a change to the state it was made from; False when somebody else committed before.

        Raises:
            SinkUnreachableError: The outcome is unknown, and a look at the table did not show the snapshot.
        """
        with translated(f"writing manifests of {'.'.join(table.name())}"):
            transaction, producer = _staged(table, change)
        try:
            self._catalog.commit(table, transaction)
        except CommitFailedException:
            # A first answer may have been lost, and the transport's second try refused because the first had landed.
            if self._has_snapshot(table, producer.snapshot_id):
                return True
            with suppress(OSError):
                producer._clean_all_uncommitted()  # noqa: SLF001 — the commit is known to have failed
            return False
        except SinkUnreachableError:
            with suppress(IngestionError):
                if self._has_snapshot(table, producer.snapshot_id):
                    return True
            raise
        return True

    def repeat(self, load: Callable[[], Table], prepare: Callable[[Table], Change | None]) -> Table:
        """Prepare a change of the newest state and commit it, again and again until nobody comes between.

        Args:
            load: The table as it is now.
            prepare: The change, or None when there is nothing to do (any more).
        """
        for tries in range(_TRIES):
            table = load()
            change = prepare(table)
            if change is None or self.once(table, change):
                return table
            time.sleep(random.uniform(0, min(0.02 * 2**tries, 1.0)))  # noqa: S311 — only spreads the tries
        raise conflicting("the table")

    def _has_snapshot(self, table: Table, snapshot_id: int) -> bool:
        now = self._catalog.load((table.name()[0], table.name()[1]))
        return now is not None and now.metadata.snapshot_by_id(snapshot_id) is not None


def epoch_property(ref: RunRef) -> str:
    """The table property with the newest epoch of a (endpoint, unit, sink)."""
    return f"nucleus.epoch.{ref_key(ref)}"


def fenced(table: Table | None, target: IcebergTarget, run: RunHandle) -> Table:
    """The table, provided that the run holds the epoch in it.

    Raises:
        RunSupersededError: A newer run has begun.
        SinkNotProvisionedError: It is missing or lacks columns, or was made anew since the run began.
    """
    said = table.properties.get(epoch_property(run.ref)) if table is not None else None
    if said is not None and int(said) != run.epoch:
        raise superseded(run, int(said))
    there = provisioned(table, target)
    if said is None:
        raise SinkNotProvisionedError(
            f"{target} was dropped and made anew during the run", "Run again.", table=str(target)
        )
    return there


def beginning(run: RunHandle, properties: Mapping[str, str] | None = None) -> Change:
    """The snapshot that makes the run's epoch the table's."""
    said = {epoch_property(run.ref): str(run.epoch), LAST_REF: run.ref.model_dump_json()}
    return Change(summary=run_summary(run), properties={**(properties or {}), **said})


def run_summary(run: RunHandle) -> dict[str, str]:
    """What each snapshot of a run says."""
    return {REF: ref_key(run.ref), RUN: run.run_id, EPOCH: str(run.epoch)}


def _staged(table: Table, change: Change) -> tuple[OneCommit, _SnapshotProducer[Any]]:
    """A transaction that holds the change, and what wrote its manifests."""
    transaction = OneCommit(table)
    if change.properties:
        transaction.set_properties(dict(change.properties))
    update = transaction.update_snapshot(snapshot_properties=dict(change.summary))
    producer: _SnapshotProducer[Any] = update.overwrite() if change.removed else update.merge_append()
    for file in change.removed:
        producer.delete_data_file(file)
    for file in change.added:
        producer.append_data_file(file)
    producer.commit()
    if change.forgotten:
        transaction.forget(change.forgotten)
    return transaction, producer
