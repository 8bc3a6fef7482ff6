"""One run in a process of its own, which kills itself (SIGKILL) at a boundary it is told.

``kill`` in the order (``boundary:occurrence``) arms the fuse. The wrappers here sit around the production objects; those
know nothing of it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from connectors.postgres.source import PostgresSource
from contracts.errors import IngestionError
from contracts.unit import UnitPolicy
from flows.ingest_unit import ingest_unit
from flows.stages import retries
from flows.stages.run import UnitRun
from flows.wiring import Workspace
from staging.config import LocalStagingConfig
from staging.local import LocalStaging
from state.units import UnitStates
from tests.exactness.executors import server_of
from tests.exactness.moving import request_of, unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from contracts.endpoint import PlanRequest
    from contracts.model import Json
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import CensusReceipt, RunHandle, RunRef, UpsertReceipt
    from contracts.staging import Batch, RecordReader

_AFTER_PUT = {
    ".parquet": "part-written",
    "manifest.json": "manifest-written",
    "_SUCCESS": "session-sealed",
    "_CONSUMED": "session-consumed",
}
BOUNDARIES = (
    *("plan-made", "epoch-taken", "slice-exported", *_AFTER_PUT.values()),
    *("before-upsert", "within-upsert", "receipt-filed", "receipt-committed"),
    *("census-begun", "census-filed", "census-done", "finishing", "run-finished", "checkpoint-saved"),
)


class Fuse:
    """Kills this process, as the kernel would, when a boundary is passed the given number of times."""

    def __init__(self, order: str) -> None:
        self._boundary, _, occurrence = order.partition(":")
        self._left = int(occurrence or 1)
        self._lock = threading.Lock()

    def at(self, boundary: str) -> None:
        """Note that the boundary is passed."""
        if boundary != self._boundary:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class FusedReads:
    """What a source of any kind tells the fuse; it comes before the source's own class."""

    _fuse: Fuse

    def plan(self, request: PlanRequest) -> IngestionPlan:
        """Plan, then tell."""
        made: IngestionPlan = super().plan(request)  # type: ignore[misc]
        self._fuse.at("plan-made")
        return made

    def export(self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None) -> Generator[Any, None, Any]:
        """Export, then tell."""
        report = yield from super().export(plan, piece, view)  # type: ignore[misc]
        self._fuse.at("slice-exported")
        return report

    def export_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[Any]:
        """Tell, then export."""
        self._fuse.at("census-begun")
        yield from super().export_keys(plan, view)  # type: ignore[misc]


class FusedSource(FusedReads, PostgresSource):
    """A source that tells the fuse."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(PostgresConfig.model_validate({"url": url}))
        self._fuse = fuse


class FusedReader:
    """A reader that tells the fuse when the sink has copied a batch and wants the next."""

    def __init__(self, reader: RecordReader, fuse: Any) -> None:
        self._reader = reader
        self._fuse = fuse

    @property
    def manifest(self) -> Any:
        """Of the session."""
        return self._reader.manifest

    def iter_batches(self, chunk_size: int | None = None) -> Iterator[Batch]:
        """The same batches."""
        for batch in self._reader.iter_batches(chunk_size):
            yield batch
            self._fuse.at("within-upsert")


def fuse_upserts(sink: PostgresSink, fuse: Any) -> PostgresSink:
    """The same sink, which now tells the fuse ``within-upsert`` after each batch it has copied."""
    upsert = sink.upsert

    def fused(run: RunHandle, plan: IngestionPlan, piece: IngestionSlice, reader: RecordReader) -> UpsertReceipt:
        return upsert(run, plan, piece, FusedReader(reader, fuse))

    sink.upsert = fused  # type: ignore[method-assign]
    return sink


class FusedCalls:
    """What a sink of any kind tells the fuse; it comes before the sink's own class."""

    _fuse: Fuse

    def begin_run(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> RunHandle:
        """Take the epoch, then tell."""
        run: RunHandle = super().begin_run(ref, run_id, plan)  # type: ignore[misc]
        self._fuse.at("epoch-taken")
        return run

    def upsert(self, run: RunHandle, plan: IngestionPlan, piece: IngestionSlice, reader: RecordReader) -> UpsertReceipt:
        """Tell before, within and after."""
        self._fuse.at("before-upsert")
        receipt: UpsertReceipt = super().upsert(run, plan, piece, FusedReader(reader, self._fuse))  # type: ignore[misc]
        self._fuse.at("receipt-committed")
        return receipt

    def reconcile(
        self, run: RunHandle, plan: IngestionPlan, keys: RecordReader
    ) -> tuple[CensusReceipt, tuple[Json, ...]]:
        """Compare, then tell."""
        found: tuple[CensusReceipt, tuple[Json, ...]] = super().reconcile(run, plan, keys)  # type: ignore[misc]
        self._fuse.at("census-done")
        return found

    def finish_run(self, run: RunHandle, checkpoint: Json | None) -> None:
        """Tell before and after."""
        self._fuse.at("finishing")
        super().finish_run(run, checkpoint)  # type: ignore[misc]
        self._fuse.at("run-finished")


class FusedSink(FusedCalls, PostgresSink):
    """A sink that tells the fuse, also between the receipt and the COMMIT."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(PostgresConfig.model_validate({"url": url}))
        self._fuse = fuse
        file = self._ledger.file

        def filed(session: Any, run: RunHandle, receipt: UpsertReceipt) -> None:
            file(session, run, receipt)
            fuse.at("census-filed" if receipt.strategy == "census" else "receipt-filed")

        self._ledger.file = filed  # type: ignore[method-assign]


def fused_staging(folder: str, fuse: Fuse) -> LocalStaging:
    """Local staging of small parts that tells the fuse after each object it wrote."""
    staging = LocalStaging(LocalStagingConfig(path=Path(folder), part_bytes=128 * 1024))
    put = staging.store.put

    def told(key: str, content: bytes) -> None:
        put(key, content)
        for end, boundary in _AFTER_PUT.items():
            if key.endswith(end):
                fuse.at(boundary)

    staging.store.put = told  # type: ignore[method-assign]
    return staging


def run_once(order: dict[str, Any], say: Callable[[Any], None]) -> int:
    """Run once and say "ready", then the summary or the error; 3 after a typed error.

    The checkpoint lives in a file, as a caller without a server would keep it; on Prefect in the state store.
    """
    retries.DELAYS_S = tuple(order["delays_s"])
    fuse = Fuse(order["kill"])
    if most := order.get("file_bytes"):
        # A larger file fails with EFBIG, one of the ways in which a disk is full. Python does not notice that when it
        # keeps what it compiled, and every later process fails at the half of it.
        sys.dont_write_bytecode = True
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    source = resolve_name(order["source_maker"])(order["source"], fuse)
    sink = resolve_name(order["maker"])(order["sink"], fuse)
    staging = fused_staging(order["folder"], fuse)
    say("ready")
    try:
        run = on_prefect if order["executor"] == "prefect" else on_threads
        summary = run(order, source, sink, staging, fuse)
    except IngestionError as error:
        say(error.to_json())
        return 3
    say(summary)
    return 0


def on_threads(order: dict[str, Any], source: Any, sink: Any, staging: LocalStaging, fuse: Fuse) -> Any:
    """The bare stages."""
    saved = Path(order["checkpoint"])
    checkpoint = json.loads(saved.read_text()) if saved.exists() else None
    request = request_of(unit_of(source), UnitPolicy(**order["policy"]), order["mode"], checkpoint)
    summary = UnitRun(source, sink, staging, request).execute()
    if summary.checkpoint_after is not None and order["mode"] == "incremental":
        draft = saved.with_suffix(".new")
        draft.write_text(json.dumps(summary.checkpoint_after))
        draft.replace(saved)
    fuse.at("checkpoint-saved")
    return summary.model_dump(mode="json")


def on_prefect(order: dict[str, Any], source: Any, sink: Any, staging: LocalStaging, fuse: Fuse) -> Any:
    """The flow that a deployment runs, against the server of the tests; only what the fuse needs is put in its way."""
    succeeded = UnitStates.succeeded

    def recorded(self: UnitStates, *arguments: Any) -> None:
        fuse.at("checkpoint-saved")  # where there is one: a full run without a cursor has none
        succeeded(self, *arguments)

    UnitStates.succeeded = recorded  # type: ignore[method-assign, assignment]
    Workspace.source = lambda _self, _id: source  # type: ignore[method-assign, assignment, misc]
    Workspace.sink = lambda _self, _id: sink  # type: ignore[method-assign, assignment, misc]
    Workspace.staging = lambda _self, _id=None: staging  # type: ignore[method-assign, assignment, misc]
    with server_of(order["environment"]):
        return ingest_unit(*order["ref"], mode=order["mode"], policy=order["policy"])
