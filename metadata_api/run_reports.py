"""How far one run has come, slice by slice: what the sink's frozen plan and its receipts say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from contracts.errors import IngestionError
from contracts.receipts import RunHandle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.receipts import FrozenRun, UpsertReceipt
    from flows.prefect_api.runs import Run
    from flows.wiring import Workspace


class SliceStanding(NamedTuple):
    """One slice of a run: planned, or added while it ran."""

    key: str
    sequence: int
    planned_rows: int | None
    """Rows that the source guaranteed or estimated."""
    rows: int | None
    """Rows that arrived; None while it is not in the sink."""
    gaps: tuple[str, ...]


class RunReport(NamedTuple):
    """What the sink knows about a run."""

    mode: str
    strategy: str
    slices: tuple[SliceStanding, ...]
    written: Mapping[str, int]
    """Rows ``staged``, ``inserted``, ``updated``, ``unchanged``, ``deleted``, ``tombstoned`` so far."""
    notes: tuple[str, ...]

    @property
    def done(self) -> int:
        """Slices in the sink."""
        return sum(each.rows is not None for each in self.slices)


def report_of(workspace: Workspace, run: Run) -> RunReport | None:
    """The run as its sink knows it; None when a later run of the unit took its place there, or before its plan.

    A sink that does not answer has nothing to say: the run's state is shown without.
    """
    if run.ref is None:
        return None
    try:
        frozen = workspace.sink(run.ref.sink_id).last_run(run.ref)
        if frozen is None or frozen.run_id not in _ids(workspace, run):
            return None
        handle = RunHandle(ref=frozen.ref, run_id=frozen.run_id, epoch=frozen.epoch)
        return _report(frozen, workspace.sink(run.ref.sink_id).receipts(handle))
    except IngestionError:
        return None


def _ids(workspace: Workspace, run: Run) -> set[str]:
    """Ids under which the sink may know the run: its own, or that of the run which it resumed."""
    ids = {run.run_id}
    try:
        ids.add(UUID(run.run_id).hex)
    except ValueError:
        return ids
    state = None if run.ref is None else workspace.states.state(run.ref)
    if state is not None and state.flow_run_id == run.run_id and state.last_run_id:
        ids.add(state.last_run_id)
    return ids


def _report(frozen: FrozenRun, receipts: Mapping[str, UpsertReceipt]) -> RunReport:
    planned = {piece.key: piece for piece in frozen.plan.slices}
    slices = [
        SliceStanding(
            key=piece.key,
            sequence=piece.sequence,
            planned_rows=piece.estimated_rows if piece.expected_rows is None else piece.expected_rows,
            rows=receipts[piece.key].rows_staged if piece.key in receipts else None,
            gaps=receipts[piece.key].gaps if piece.key in receipts else (),
        )
        for piece in frozen.plan.slices
    ]
    slices += [
        SliceStanding(each.slice_key, each.sequence, each.expected_rows, each.rows_staged, each.gaps)
        for each in receipts.values()
        if each.slice_key not in planned and not each.is_census
    ]
    kinds = ("staged", "inserted", "updated", "unchanged", "deleted", "tombstoned")
    written = {kind: sum(getattr(each, f"rows_{kind}") for each in receipts.values()) for kind in kinds}
    return RunReport(frozen.plan.mode, frozen.plan.strategy, tuple(slices), written, frozen.plan.notes)
