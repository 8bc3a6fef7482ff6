"""Receipts: what each stage of a run did. Only counters and names, so that they can cross any process boundary."""

from __future__ import annotations

from datetime import datetime

from contracts.model import Contract, Json
from contracts.plan import IngestionPlan
from contracts.staging import StagingHandle


class RunRef(Contract):
    """The (endpoint, unit, sink) that at most one run may work on at a time (I11)."""

    endpoint_id: str
    unit_id: str
    sink_id: str

    def __str__(self) -> str:
        return f"{self.endpoint_id}/{self.unit_id} -> {self.sink_id}"


class RunHandle(Contract):
    """A run and its epoch (fencing token). Every write presents it; the sink refuses an older epoch."""

    ref: RunRef
    run_id: str
    epoch: int
    resumed: bool = False
    """True if an earlier process began this run."""
    target_was_empty: bool = False
    """True if the sink's table was empty when the run began, so that slices may be copied straight into it."""
    target_is_empty: bool = False
    """True if the sink's table is empty now, when this process takes over the run."""


class FrozenRun(Contract):
    """A run as stored in the sink: its plan, and whether it ended."""

    ref: RunRef
    run_id: str
    epoch: int
    plan: IngestionPlan
    started_at: datetime
    finished_at: datetime | None = None
    target_was_empty: bool = False
    checkpoint: Json | None = None
    """The checkpoint that the run ended with; None while it is unfinished."""


class StageReceipt(Contract):
    """The record of one staged slice."""

    slice_key: str
    handle: StagingHandle
    rows: int
    source_s: float
    """Seconds spent waiting for the source."""
    stage_s: float
    """Seconds spent writing to staging."""
    resumed: bool = False


class UpsertReceipt(Contract):
    """The record of one slice in the sink, committed in the same transaction as its rows."""

    slice_key: str
    sequence: int
    epoch: int
    rows_staged: int
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_unchanged: int = 0
    rows_deleted: int = 0
    rows_tombstoned: int = 0
    rows_duplicate: int = 0
    """Rows that were replaced by a later row with the same key in the same slice."""
    bytes_staged: int = 0
    expected_rows: int | None = None
    seconds: float = 0.0
    strategy: str = ""
    """How the rows were written: ``copy``, ``difference``, ``replace`` or ``census``."""
    observed: Json = {}
    """What the source needs to know about the slice when it derives the checkpoint from receipts."""
    gaps: tuple[str, ...] = ()
    """One line for each part of the slice that the source could not deliver."""

    @property
    def incomplete(self) -> bool:
        """True if the source did not deliver all of the slice."""
        return bool(self.gaps) or (not self.is_census and self.expected_rows not in {None, self.rows_staged})

    @property
    def is_census(self) -> bool:
        """True for the receipt of a census: it counts the rows that were removed, but belongs to no slice."""
        return self.strategy == "census"


class CensusReceipt(Contract):
    """The result of comparing keys between source and sink at the end of a run."""

    rows_at_source: int
    rows_in_sink: int
    rows_gone: int = 0
    rows_deleted: int = 0
    rows_tombstoned: int = 0
    rows_missing: int = 0
    """Keys at the source that the sink lacks or has in another version. Repair slices read their rows again."""
    skipped: str = ""
    """Why keys were not compared, in one sentence; empty if they were."""


class Throttling(Contract):
    """How often a system made its source wait or ask again."""

    requests_repeated: int = 0
    """Requests that were sent once more: too many at once, or no good answer."""
    paused_s: float = 0.0
    """Seconds in which no request was sent because the system had asked for a pause."""

    def since(self, earlier: Throttling) -> Throttling:
        """What was added after ``earlier``."""
        return Throttling(
            requests_repeated=self.requests_repeated - earlier.requests_repeated,
            paused_s=round(self.paused_s - earlier.paused_s, 3),
        )


class RunSummary(Contract):
    """The result of one run, for people and programs.

    ``slices_done_before`` and ``slices_done`` together are the slices that the sink holds: planned ones, late ones and
    repairs, so they may be more than ``slices_planned``.
    """

    ref: RunRef
    run_id: str
    epoch: int
    mode: str
    strategy: str
    resumed: bool
    slices_planned: int
    slices_done_before: int
    slices_done: int
    rows_read: int
    rows_staged: int
    rows_inserted: int
    rows_updated: int
    rows_unchanged: int
    rows_deleted: int
    rows_tombstoned: int = 0
    rows_expected: int | None = None
    bytes_staged: int
    seconds: float
    seconds_by_stage: dict[str, float] = {}
    checkpoint_before: Json | None = None
    checkpoint_after: Json | None = None
    started_at: datetime
    finished_at: datetime
    gaps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """The plan's notes."""
    retries: dict[str, int] = {}
    """Error code to how often a step of this process's run failed with it and was tried again."""
    throttling: Throttling | None = None
    """What this process's requests met; None where the source does not count it."""
