"""What the sink remembers of the run that holds each (endpoint, unit, sink), and the lock on it.

The epoch is taken here first and then put into the target table (:mod:`connectors.iceberg.commits`), whose commits
check it there. A process that dies between the two has taken an epoch that nobody writes with.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from connectors.iceberg.records import CatalogRecords, Record, conflicting
from connectors.lake.leases import FileLocks, in_progress
from connectors.lake.runs import next_run, ref_key, superseded
from contracts.receipts import FrozenRun, RunHandle, RunRef

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.iceberg.catalog import IcebergCatalog
    from connectors.lake.names import Identifier
    from contracts.model import Json
    from contracts.plan import IngestionPlan

LEASE_S = 60.0
_TRIES = 30


class RunRecords:
    """Frozen runs and locks, one record each."""

    def __init__(self, catalog: IcebergCatalog, namespace: str) -> None:
        self._catalog, self._namespace = catalog, namespace
        self._records = CatalogRecords(catalog)

    def last_run(self, ref: RunRef) -> FrozenRun | None:
        """The run that took the newest epoch, finished or not."""
        return _run_in(self._records.read(self._name("run", ref)))

    def begin(self, ref: RunRef, run_id: str, plan: IngestionPlan, *, empty: bool) -> RunHandle:
        """Take the next epoch; another run id begins anew, the same one resumes."""
        for _ in range(_TRIES):
            before = self._records.read(self._name("run", ref))
            last = _run_in(before)
            begun = next_run(last, ref, run_id, plan, empty=empty)
            if self._records.replace(self._name("run", ref), before, begun.model_dump(mode="json")):
                return RunHandle(
                    ref=ref,
                    run_id=run_id,
                    epoch=begun.epoch,
                    target_was_empty=begun.target_was_empty,
                    target_is_empty=empty,
                )
        raise conflicting(f"the run of {ref}")

    def finish(self, run: RunHandle, checkpoint: Json | None) -> None:
        """Note the end of the run and its checkpoint, under the fence."""
        for _ in range(_TRIES):
            before = self._records.read(self._name("run", run.ref))
            last = _run_in(before)
            if last is None or last.epoch != run.epoch:
                raise superseded(run, last.epoch if last is not None else 0)
            ended = last.model_copy(update={"finished_at": datetime.now(UTC), "checkpoint": checkpoint})
            if self._records.replace(self._name("run", run.ref), before, ended.model_dump(mode="json")):
                return
        raise conflicting(f"the run of {run.ref}")

    def is_unfinished(self, key: str | None, run_id: str | None) -> bool:
        """Whether that run (``ref_key``, run id) holds its (endpoint, unit, sink) and has not ended."""
        last = _run_in(self._records.read((self._namespace, f"run_{key}"))) if key else None
        return last is not None and last.run_id == run_id and last.finished_at is None

    @contextmanager
    def exclusive(self, ref: RunRef) -> Iterator[None]:
        """Hold the lock of the (endpoint, unit, sink): a file's where the warehouse is a folder, else a lease."""
        place = self._catalog.local_folder
        with FileLocks(place / ".locks").exclusive(ref) if place is not None else self._lease(ref):
            yield

    def is_locked(self, ref: RunRef) -> bool:
        """Whether a run holds the lock; asking takes nothing that would stand in a run's way."""
        place = self._catalog.local_folder
        if place is None:
            held = self._records.read(self._name("lock", ref)).content or {}
            return bool(held.get("until", 0.0) > time.time())
        return FileLocks(place / ".locks").is_locked(ref)

    @contextmanager
    def _lease(self, ref: RunRef) -> Iterator[None]:
        """A lease in the catalog, renewed by a thread. Only politeness: the epoch is the fence."""
        name, holder = self._name("lock", ref), uuid4().hex
        before = self._records.read(name)
        held = before.content or {}
        if held.get("until", 0.0) > time.time() or not self._keep(name, before, holder, LEASE_S):
            raise in_progress(ref)
        over = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(name, holder, over), name="nucleus-lease", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()
            now = self._records.read(name)
            if (now.content or {}).get("holder") == holder:
                self._keep(name, now, holder, 0.0)

    def _renew(self, name: Identifier, holder: str, over: threading.Event) -> None:
        while not over.wait(LEASE_S / 3):
            now = self._records.read(name)
            if (now.content or {}).get("holder") != holder or not self._keep(name, now, holder, LEASE_S):
                return  # taken over: the epoch decides from here on

    def _keep(self, name: Identifier, before: Record, holder: str, lease_s: float) -> bool:
        return self._records.replace(name, before, {"holder": holder, "until": time.time() + lease_s})

    def _name(self, kind: str, ref: RunRef) -> Identifier:
        return self._namespace, f"{kind}_{ref_key(ref)}"


def _run_in(record: Record) -> FrozenRun | None:
    return FrozenRun.model_validate(record.content) if record.content is not None else None
