"""What each stage says it did. Counters and names only; small enough to cross any boundary."""

from __future__ import annotations

from datetime import datetime

from contracts.model import Contract, Json
from contracts.plan import IngestionPlan
from contracts.staging import StagingHandle


class RunRef(Contract):
    """What at most one run at a time may work on (I11)."""

    endpoint_id: str
    unit_id: str
    sink_id: str

    def __str__(self) -> str:
        return f"{self.endpoint_id}/{self.unit_id} -> {self.sink_id}"


class RunHandle(Contract):
    """A run that holds an epoch. Whoever writes shows it; an older epoch may not write."""

    ref: RunRef
    run_id: str
    epoch: int
    resumed: bool = False
    """True when an earlier process began this run."""
    target_was_empty: bool = False
    """True when the sink's table held no row when the run began: slices may copy straight."""
    target_is_empty: bool = False
    """True when it holds no row now, as this process takes over."""


class FrozenRun(Contract):
    """A run as the sink remembers it: the plan it follows, and whether it ended."""

    ref: RunRef
    run_id: str
    epoch: int
    plan: IngestionPlan
    started_at: datetime
    finished_at: datetime | None = None
    target_was_empty: bool = False
    checkpoint: Json | None = None
    """The checkpoint the run ended with; None while it is unfinished."""


class StageReceipt(Contract):
    """One slice in staging."""

    slice_key: str
    handle: StagingHandle
    rows: int
    source_s: float
    """Seconds spent waiting for the source."""
    stage_s: float
    """Seconds spent writing to staging."""
    resumed: bool = False


class UpsertReceipt(Contract):
    """One slice in the sink, committed together with its rows."""

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
    """Rows of the slice that a later row of the same key in the same slice replaced."""
    bytes_staged: int = 0
    expected_rows: int | None = None
    seconds: float = 0.0
    strategy: str = ""
    """How it was written: ``copy``, ``difference``, ``replace``, ``census``."""
    observed: Json = {}
    """What the source wants remembered of the slice when it folds receipts to a checkpoint."""
    gaps: tuple[str, ...] = ()
    """One line for each part of the slice that the source could not give."""

    @property
    def incomplete(self) -> bool:
        """True when the source could not give all of the slice."""
        return bool(self.gaps) or (not self.is_census and self.expected_rows not in {None, self.rows_staged})

    @property
    def is_census(self) -> bool:
        """True for what the census of keys removed: it counts rows, but it is no slice and moved nothing."""
        return self.strategy == "census"


class CensusReceipt(Contract):
    """What the comparison of keys found after a complete full run."""

    rows_at_source: int
    rows_in_sink: int
    rows_gone: int = 0
    rows_deleted: int = 0
    rows_tombstoned: int = 0
    rows_missing: int = 0
    """Keys at the source that the sink lacks; they are repaired by one more slice."""
    skipped: str = ""
    """Why no comparison was needed, in one sentence."""


class RunSummary(Contract):
    """One run, for people and programs."""

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
