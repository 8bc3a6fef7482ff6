"""A source and a sink in memory that do what the stages ask for, count what they were asked, and fail on demand."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.endpoint import EndpointDescriptor
from contracts.plan import IngestionPlan, IngestionSlice
from contracts.receipts import CensusReceipt, FrozenRun, RunHandle, RunRef, UpsertReceipt
from contracts.unit import EndpointUnitDescriptor, UnitPolicy
from flows.stages.plan import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contracts.endpoint import PlanRequest
    from contracts.model import Json
    from contracts.staging import RecordReader

REF = RunRef(endpoint_id="shop", unit_id="things", sink_id="warehouse")
UNIT = EndpointUnitDescriptor(
    unit_id="things",
    kind="entity",
    display_name="things",
    primary_key=("id",),
    dataset=DatasetDescriptor(
        dataset_id="things",
        kind="entity",
        namespace="shop",
        name="things",
        columns=(ColumnDescriptor(name="id", logical_type="int64", declared_type="int64"),),
        primary_key=("id",),
    ),
)


def request_of(**fields: Any) -> RunRequest:
    policy = UnitPolicy(**{name: fields.pop(name) for name in list(fields) if name in UnitPolicy.model_fields})
    return RunRequest(**{"ref": REF, "unit": UNIT, "mode": "full", "policy": policy, **fields})


class FakeSource:
    """Slice i holds ids from 10·i; ``before_batch`` may raise, once per entry of its list, before a slice's rows."""

    def __init__(self, slices: int = 3, rows: int = 4, expected: int | None = None) -> None:
        self.slices, self.rows, self.expected = slices, rows, expected
        self.failures: dict[str, list[BaseException]] = defaultdict(list)
        self.exports: Counter[str] = Counter()
        self.plans = 0
        self.on_batch: Callable[[str], None] = lambda _key: None
        self._lock = threading.Lock()

    def plan(self, request: PlanRequest) -> IngestionPlan:
        self.plans += 1
        pieces = tuple(IngestionSlice(key=f"s{i}", sequence=i, expected_rows=self.expected) for i in range(self.slices))
        return IngestionPlan(
            endpoint_id=request.endpoint_id,
            unit=request.unit,
            mode=request.mode,
            strategy="fake",
            slices=pieces,
            policy=request.policy,
            checkpoint_before=request.checkpoint,
        )

    def export(self, plan: IngestionPlan, piece: IngestionSlice, view: str | None = None) -> Iterator[pl.DataFrame]:
        with self._lock:
            self.exports[piece.key] += 1
            failure = self.failures[piece.key].pop(0) if self.failures[piece.key] else None
        ids = [piece.sequence * 10 + i for i in range(self.rows)]
        yield pl.DataFrame({"id": ids[:1]}, schema={"id": pl.Int64})
        self.on_batch(piece.key)
        if failure:
            raise failure
        yield pl.DataFrame({"id": ids[1:]}, schema={"id": pl.Int64})

    def checkpoint(self, plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:
        return {"slices": len(receipts)}


class FakeSink:
    """Rows and receipts in dictionaries; ``loses`` rows of every slice, when told to."""

    descriptor = EndpointDescriptor(
        template_id="fake.sink", family="fake", vendor="fake", title="Fake", description="In memory",
        fields=(), capabilities=("sink.raw",), roles=("sink",),
    )  # fmt: skip

    def __init__(self, loses: int = 0) -> None:
        self.table: set[int] = set()
        self.filed: dict[str, UpsertReceipt] = {}
        self.frozen: FrozenRun | None = None
        self.loses = loses
        self.failures: dict[str, list[BaseException]] = defaultdict(list)
        self.held = False
        self.forgets: set[str] = set()
        """Slices whose receipt is lost after it was given."""
        self._lock = threading.Lock()

    @contextmanager
    def exclusive(self, ref: RunRef) -> Iterator[None]:
        assert not self.held
        self.held = True
        try:
            yield
        finally:
            self.held = False

    def last_run(self, ref: RunRef) -> FrozenRun | None:
        return self.frozen

    def provision(self, plan: IngestionPlan) -> tuple[str, ...]:
        return ()

    def begin_run(self, ref: RunRef, run_id: str, plan: IngestionPlan) -> RunHandle:
        same = self.frozen is not None and self.frozen.run_id == run_id
        epoch = self.frozen.epoch + 1 if self.frozen else 1
        started = self.frozen.started_at if self.frozen and same else datetime.now(UTC)
        self.frozen = FrozenRun(ref=ref, run_id=run_id, epoch=epoch, plan=plan, started_at=started)
        self.filed = self.filed if same else {}
        return RunHandle(ref=ref, run_id=run_id, epoch=epoch, target_is_empty=not self.table)

    def receipts(self, run: RunHandle) -> dict[str, UpsertReceipt]:
        return {key: receipt for key, receipt in self.filed.items() if key not in self.forgets}

    def upsert(self, run: RunHandle, plan: IngestionPlan, piece: IngestionSlice, reader: RecordReader) -> UpsertReceipt:
        if self.failures[piece.key]:
            raise self.failures[piece.key].pop(0)
        ids = [key for frame in reader.iter_batches() for key in frame["id"]]
        with self._lock:
            fresh = set(ids) - self.table
            self.table |= fresh
            receipt = UpsertReceipt(
                slice_key=piece.key,
                sequence=piece.sequence,
                epoch=run.epoch,
                rows_staged=reader.manifest.rows,
                rows_inserted=len(fresh) - self.loses,
                rows_unchanged=len(ids) - len(fresh),
                bytes_staged=reader.manifest.bytes,
                expected_rows=piece.expected_rows,
                observed=reader.manifest.report.observed,
                strategy="fake",
            )
            self.filed[piece.key] = receipt
        return receipt

    def finish_run(self, run: RunHandle, checkpoint: Json | None) -> None:
        assert self.frozen is not None
        self.frozen = self.frozen.model_copy(update={"finished_at": datetime.now(UTC), "checkpoint": checkpoint})


class CensusSource(FakeSource):
    """Has one late slice, and keys that the sink lacks after the census: one repair slice."""

    def late_slices(self, plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
        return (IngestionSlice(key=f"late-{epoch}", sequence=50),)

    def export_keys(self, plan: IngestionPlan, view: str | None = None) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"id": [0, 1]}, schema={"id": pl.Int64})

    def repair_slices(self, plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
        return (IngestionSlice(key=f"repair-{epoch}", sequence=60),)


class CensusSink(FakeSink):
    """Commits a census and may fail after it; five rows are gone, one key is missing."""

    def __init__(self) -> None:
        super().__init__()
        self.censuses = 0
        self.census_failures: list[BaseException] = []

    def count_rows(self, plan: IngestionPlan) -> int:
        return len(self.table) + 5

    def reconcile(
        self, run: RunHandle, plan: IngestionPlan, keys: RecordReader
    ) -> tuple[CensusReceipt, tuple[Json, ...]]:
        self.censuses += 1
        key = f"census-{run.epoch}"
        gone = 0 if key in self.filed else 5
        earlier = self.filed[key].rows_deleted if key in self.filed else 0
        self.filed[key] = UpsertReceipt(
            slice_key=key, sequence=9, epoch=run.epoch, rows_staged=2, rows_deleted=gone + earlier, strategy="census"
        )
        if self.census_failures:
            raise self.census_failures.pop(0)
        return CensusReceipt(rows_at_source=2, rows_in_sink=2, rows_gone=gone, rows_deleted=gone), ({"id": 600},)

    def remove(self, run: RunHandle, plan: IngestionPlan, keys: RecordReader) -> CensusReceipt:
        raise AssertionError("this source has no feed")
