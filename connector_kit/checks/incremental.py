"""Incremental runs: what changed is read, whatever it tied with, however late it showed up, wherever it moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector_kit.checks.check import CheckObservation, Group, failed
from connector_kit.checks.context import ConnectedSource, receipts_of
from connector_kit.checks.expectations import describe_error, same_rows
from connector_kit.checks.observed_keys import listed_keys
from connector_kit.checks.rows import ReadResult, Row, SliceRead, bare, difference, frame_of, keys_of
from connector_kit.checks.system import SkippedError
from contracts.plan import IngestionPlan, SliceReport
from contracts.traits import SupportsConsistentView, SupportsDeleteDetection

if TYPE_CHECKING:
    import polars as pl

    from connector_kit.checks.context import CheckContext
    from contracts.model import Json
    from contracts.unit import UnitPolicy

GROUP = Group("incremental", "Incremental runs")


@dataclass
class IncrementalRun:
    """A run that came to its end."""

    plan: IngestionPlan
    reading: ReadResult
    checkpoint: Json | None


def run(
    one: ConnectedSource, checkpoint: Json | None = None, *, late: bool = True, policy: UnitPolicy | None = None
) -> IncrementalRun:
    """An incremental run, late slices and all.

    Raises:
        SkippedError: The unit has no such mode.
        IngestionError: The run failed.
    """
    if "incremental" not in one.unit.supported_modes:
        raise SkippedError("the unit cannot be read incrementally")
    plan = one.plan("incremental", checkpoint, policy)
    reading = one.whole(plan) if late else one.read(plan)
    if reading.error is not None:
        raise reading.error
    return IncrementalRun(plan, reading, one.source.checkpoint(plan, receipts_of(reading, plan)))


def full(one: ConnectedSource) -> dict[str, Row]:
    """All rows, by a full run."""
    reading = one.read(one.plan())
    if reading.error is not None:
        raise reading.error
    return reading.rows


@GROUP.check("equals-full", "A full and an incremental run end with the same rows", "I1 I4")
def equals_full(context: CheckContext) -> CheckObservation:
    """A run, five changes, another run: together they are what a full run reads."""
    with context.connected() as one:
        first = run(one)
        changed = context.system.change(5)
        second = run(one.new_process(), first.checkpoint)
        truth = full(one)
    return same_rows(f"{len(changed)} rows changed after a run", truth, second.reading.over(first.reading))


@GROUP.check("reads-less", "An incremental run reads what changed, not everything", "I1")
def reads_less(context: CheckContext) -> CheckObservation:
    """A run after two changes reads fewer rows than there are."""
    with context.connected() as one:
        first = run(one)
        changed = context.system.change(2)
        second = run(one, first.checkpoint)
    missed = changed - set(second.reading.rows)
    read, all_of = len(second.reading.rows), len(first.reading.rows)
    received = f"{len(missed)} of the changed rows were not read" if missed else f"{read} rows were read"
    right = not missed and read < all_of
    return CheckObservation(
        right, f"2 of {all_of} rows changed", received, f"the changed rows, and fewer than {all_of} in all"
    )


@GROUP.check("unchanged", "A run without changes leaves the checkpoint where it was", "I4")
def unchanged(context: CheckContext) -> CheckObservation:
    """Three runs, nothing changes; what a fourth would read does not shrink or grow."""
    with context.connected() as one:
        first = run(one)
        second = run(one, first.checkpoint)
        third = run(one, second.checkpoint)
    before, after = set(second.reading.rows), set(third.reading.rows)
    received = f"{len(before)} rows and then {len(after)}"
    return CheckObservation(
        before == after, "two more runs while nothing changes", received, "the same rows both times"
    )


def _no_view(one: ConnectedSource) -> None:
    if isinstance(one.source, SupportsConsistentView):
        raise SkippedError("the source shows one moment to a run: what changes later is the next run's")


def _after_late_change(context: CheckContext, seconds: float, sent: str, **settings: Any) -> CheckObservation:
    with context.connected(**settings) as one:
        first = run(one)
        key = context.system.change_late(seconds)
        second = run(one.new_process(), first.checkpoint)
        truth = full(one)
    seen = same_rows(sent, truth, second.reading.over(first.reading))
    return CheckObservation(seen.passed, sent, seen.received, f"row {key} is read by the next run")


@GROUP.check("at-watermark", "A change with exactly the timestamp of the watermark is read", "I1")
def at_watermark(context: CheckContext) -> CheckObservation:
    """A row gets the moment of the newest change; the overlap is as small as it can be."""
    sent = "after a run, a row changed with the moment that the newest row had"
    return _after_late_change(context, 0.0, sent, **context.system.smallest_overlap)


@GROUP.check("overlap", "A change that becomes visible late is read", "I1")
def overlap(context: CheckContext) -> CheckObservation:
    """A row is dated 30 seconds before the newest change, after a run."""
    return _after_late_change(context, 30.0, "after a run, a row showed up that changed 30 s before the newest one")


@GROUP.check("moved", "Rows that move between slices during the run are not lost", "I1")
def moved(context: CheckContext) -> CheckObservation:
    """Slices are read from the last to the first; meanwhile rows of the first change and belong to the last."""
    with context.connected() as one:
        plan = context.plan(one)
        _no_view(one)
        if len(plan.slices) < 2:
            raise SkippedError("the unit is one slice")
        reading = ReadResult()
        changed: set[str] = set()
        for piece in reversed(plan.slices):
            part = one.read(plan, [piece])
            if part.error is not None:
                raise part.error
            reading = part.over(reading)
            changed = changed or context.system.change(3)
        later = one.read(plan, one.late(plan))
        truth = full(one.new_process())
    sent = f"{len(changed)} rows changed after the last slice was read and before the first one was"
    return same_rows(sent, truth, later.over(reading), whole=False)


@GROUP.check("changed-meanwhile", "Rows that change while their slice is read end with their latest values", "I1")
def changed_meanwhile(context: CheckContext) -> CheckObservation:
    """After the first batch of a slice, rows change that are in it."""
    with context.connected() as one:
        plan = context.plan(one)
        reading, changed = ReadResult(), set[str]()
        for piece in plan.slices:
            frames: list[pl.DataFrame] = []
            batches = one.source.export(plan, piece)
            for frame in batches:
                frames.append(frame_of(frame))
                changed = changed or context.system.change(3)
            keys = [key for frame in frames for key in keys_of(frame, plan.unit)]
            reading.add(piece.key, SliceRead(frames, SliceReport(), keys), one.rows(frames))
        _no_view(one)
        later = one.late(plan)
        if not later and "incremental" not in one.unit.supported_modes:
            raise SkippedError("the unit is read whole, and nothing tells what changed meanwhile")
        rest = one.read(plan, later)
        truth = full(one.new_process())
    sent = f"{len(changed)} rows changed after the first batch"
    return same_rows(sent, truth, rest.over(reading), whole=False)


@GROUP.check("keys", "The keys that are listed are those of the rows", "I1 I2")
def keys(context: CheckContext) -> CheckObservation:
    """The list of keys against an undisturbed read."""
    truth = context.truth
    with context.connected() as one:
        listed = listed_keys(one, context.plan(one))
    differing = difference(bare(truth), bare(listed))
    received = differing or f"{len(listed)} keys"
    return CheckObservation(
        not differing, "the keys of all rows are listed", received, f"the keys of {len(truth)} rows"
    )


@GROUP.check("key-versions", "The versions that are listed with keys are those of the rows", "I1")
def key_versions(context: CheckContext) -> CheckObservation:
    """In an incremental run a row is read again when its listed version differs: a false one hides a change."""
    sent = "keys are listed with versions"
    with context.connected() as one:
        if not isinstance(one.source, SupportsDeleteDetection):
            raise SkippedError("the connector cannot list keys")
        first = run(one)
        plan = one.plan("incremental", first.checkpoint)
        frames = [frame_of(frame) for frame in one.source.export_keys(plan)]
        versions = [name for name in frames[0].columns if name not in plan.unit.primary_key]
        if not versions:
            raise SkippedError("keys are listed without versions")
        listed: dict[str, Row] = {
            key: row for frame in frames for key, row in zip(keys_of(frame, plan.unit), one.rows([frame]), strict=True)
        }
    truth = {key: {name: row[name] for name in listed[key]} for key, row in first.reading.rows.items() if key in listed}
    mismatch = difference(truth, listed)
    received = mismatch or f"{', '.join(versions)} of {len(listed)} rows"
    return CheckObservation(not mismatch and bool(listed), sent, received, f"those of the {len(truth)} rows")


@GROUP.check("removed", "The key of a removed row is not listed", "I1 I2")
def removed(context: CheckContext) -> CheckObservation:
    """Keys are listed before and after a row went."""
    with context.connected() as one:
        if not isinstance(one.source, SupportsDeleteDetection):
            raise SkippedError("the connector cannot list keys")
        plan = context.plan(one)
        before = listed_keys(one, plan)
        gone = context.system.remove()
        after = listed_keys(one, plan)
    mismatch = difference(bare(before - {gone}), bare(after))
    received = mismatch or f"{len(before)} keys and then {len(after)}"
    return CheckObservation(
        not mismatch and gone in before, f"row {gone} was removed", received, "all keys but that one"
    )


@GROUP.check("removed-meanwhile", "A row that is removed while the list is read takes no other row along", "I1")
def removed_meanwhile(context: CheckContext) -> CheckObservation:
    """After the first batch a row goes; where pages are counted, the first row of the next page moves to this one."""
    truth = context.truth
    with context.connected() as one:
        plan = context.plan(one)
        _no_view(one)
        reading, gone = ReadResult(), ""
        for piece in plan.slices:
            frames: list[pl.DataFrame] = []
            for frame in one.source.export(plan, piece):
                frames.append(frame_of(frame))
                gone = gone or context.system.remove()
            keys = [key for frame in frames for key in keys_of(frame, plan.unit)]
            reading.add(piece.key, SliceRead(frames, SliceReport(), keys), one.rows(frames))
    rest = set(truth) - {gone}
    mismatch = difference(bare(rest), bare(set(reading.rows) - {gone}))
    sent, expected = f"row {gone} was removed after the first batch", f"the other {len(rest)} rows"
    return CheckObservation(not mismatch, sent, mismatch or f"{len(rest)} rows", expected)


@GROUP.check("repairs", "Rows that the sink lacks can be read by key", "I1")
def repairs(context: CheckContext) -> CheckObservation:
    """Five keys are asked for."""
    with context.connected() as one:
        if not isinstance(one.source, SupportsDeleteDetection):
            raise SkippedError("the connector cannot list keys")
        plan = context.plan(one)
        wanted = dict(list(full(one).items())[:5])
        keys: list[Json] = [{name: str(row[name]) for name in plan.unit.primary_key} for row in wanted.values()]
        pieces = one.source.repair_slices(plan, keys, 2)
        reading = one.read(plan, pieces)
    sent, expected = "five keys that are missing in the sink", "those five rows, or more true ones; slices of their own"
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    taken = {piece.key for piece in pieces} & {piece.key for piece in plan.slices}
    mismatch = difference(wanted, {key: row for key, row in reading.rows.items() if key in wanted})
    return CheckObservation(not mismatch and not taken, sent, mismatch or f"{len(reading.rows)} rows", expected)
