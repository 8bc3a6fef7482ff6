"""Units that are read part by part (projects, spaces, drives): each part goes on from where it was read itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, failed, passed
from connector_kit.checks.checkpoints import GROUP as CHECKPOINTS
from connector_kit.checks.checkpoints import last_but_one_held
from connector_kit.checks.context import receipts_of
from connector_kit.checks.expectations import describe_error, describe_fault, same_rows
from connector_kit.checks.incremental import GROUP as INCREMENTAL
from connector_kit.checks.incremental import full, run
from connector_kit.checks.observed_keys import keys_at_source, listed_keys
from connector_kit.checks.plans import GROUP as PLANS
from connector_kit.checks.rows import bare, difference
from connector_kit.checks.system import HookMissingError, SkippedError
from connector_kit.recording.faults import RespondWithStatus
from contracts.errors import IngestionError, PlanError
from contracts.traits import SupportsDeleteDetection, SupportsFilterOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.checks.context import CheckContext, ConnectedSource
    from contracts.unit import UnitPolicy


def _parts(context: CheckContext, one: ConnectedSource) -> Sequence[str]:
    """Keys of the parts that a run reads, from its checkpoint, by their watermarks; of a repeatable system made once.

    Raises:
        SkippedError: The unit is not read part by part.
    """
    parts = context.system.parts
    if parts is None:
        transient = (run(one).checkpoint or {}).get("transient")
        found = [one for one in transient.values() if isinstance(one, dict)] if isinstance(transient, dict) else []
        parts = sorted(found[0], key=lambda part: (str(found[0][part]), part)) if found else []
        context.system.parts = parts if context.system.repeatable else None
    if len(parts) < 2:
        raise SkippedError("the unit is not read part by part")
    return parts


def _selector(one: ConnectedSource, parts: Sequence[str]) -> str:
    """Name of the selector whose options are the parts.

    Raises:
        SkippedError: There is none.
    """
    options = one.source.filter_options() if isinstance(one.source, SupportsFilterOptions) else {}
    for name, choices in options.items():
        if set(parts) <= {choice.value for choice in choices}:
            return name
    raise SkippedError("no selector chooses between the parts")


def _selecting(one: ConnectedSource, selector: str, *parts: str) -> UnitPolicy:
    policy = one.request(one.unit).policy
    return policy.model_copy(update={"selectors": {**policy.selectors, selector: [*parts]}})


@INCREMENTAL.check("part-watermarks", "Each part goes on from its own watermark, whatever the others' are", "I1 I4")
def part_watermarks(context: CheckContext) -> CheckObservation:
    """A row changes in every other part, a second after that part's newest; after a run, in the rest of them."""
    with context.connected(**context.system.smallest_overlap) as one:
        parts, last = _parts(context, one), run(one)
        reading = last.reading
        for changing in (parts[::2], parts[1::2]):
            for part in changing:
                context.system.change_in_part(part)
            last = run(one.new_process(), last.checkpoint)
            reading = last.reading.over(reading)
        truth = full(one)
    return same_rows(f"rows changed in {len(parts)} parts, a second after the newest of each", truth, reading)


@INCREMENTAL.check("part-appears", "A part that appears later is read whole, however old its rows are", "I1")
def part_appears(context: CheckContext) -> CheckObservation:
    """A part with old rows comes, then an empty one, whose first row comes a run later."""
    with context.connected(**context.system.smallest_overlap) as one:
        _parts(context, one)
        last = run(one)
        reading = last.reading
        context.system.add_part(3)
        last = run(one.new_process(), last.checkpoint)
        reading = last.reading.over(reading)
        empty = context.system.add_part(0)
        last = run(one.new_process(), last.checkpoint)
        reading = last.reading.over(reading)
        context.system.change_in_part(empty)
        last = run(one.new_process(), last.checkpoint)
        truth, (there, known_by) = full(one), keys_at_source(context, one)
    sent = "a part with three old rows appeared after a run; then an empty one, which had its first row a run later"
    if mismatch := difference(bare(there), bare(truth)):
        return failed(sent, f"a full run: {mismatch}", f"the {len(there)} rows that {known_by} knows of")
    return same_rows(sent, truth, last.reading.over(reading))


@INCREMENTAL.check("part-meanwhile", "A part that appears during a run is read by it or by the next run", "I1 I4")
def part_meanwhile(context: CheckContext) -> CheckObservation:
    """It appears when the plan's slices were read; a row of it changes before the next run."""
    with context.connected(**context.system.smallest_overlap) as one:
        _parts(context, one)
        first = run(one)
        plan = one.plan("incremental", first.checkpoint)
        reading = one.read(plan)
        added = context.system.add_part(3)
        later = one.read(plan, one.late(plan))
        for part in (reading, later):
            if part.error is not None:
                raise part.error
        receipts = [*receipts_of(reading, plan), *receipts_of(later, plan)]
        checkpoint = one.source.checkpoint(plan, receipts)
        context.system.change_in_part(added)
        last = run(one.new_process(), checkpoint)
        truth = full(one)
    sent = "a part with three old rows appeared while a run was under way, and one of them changed after it"
    return same_rows(sent, truth, last.reading.over(later.over(reading.over(first.reading))))


@INCREMENTAL.check(
    "part-selected", "A part that is selected later is read whole, and only selected ones are read", "I1"
)
def part_selected(context: CheckContext) -> CheckObservation:
    """A run of one part, then one of all; the keys listed for the first are those of its rows."""
    with context.connected() as one:
        parts = _parts(context, one)
        chosen = _selecting(one, _selector(one, parts), parts[-1])
        first = run(one, policy=chosen)
        listed = listed_keys(one, one.plan("incremental", first.checkpoint, chosen))
        second = run(one.new_process(), first.checkpoint)
        truth = full(one)
    sent, expected = f"a run of part {parts[-1]} alone, then one of all {len(parts)}", "the rows of that part, then all"
    if len(first.reading.rows) >= len(truth):
        return failed(sent, f"{len(first.reading.rows)} rows of {len(truth)} under the selection", expected)
    if differing := difference(bare(first.reading.rows), bare(listed)):
        return failed(sent, f"of the keys listed for the part, {differing}", expected)
    return same_rows(sent, truth, second.reading.over(first.reading))


@INCREMENTAL.check("part-left", "A part that a full run left out is read whole when it is selected again", "I1 I2")
def part_left(context: CheckContext) -> CheckObservation:
    """All parts, then in full only one, so that the sink removes the others' rows, then all again."""
    with context.connected() as one:
        if not isinstance(one.source, SupportsDeleteDetection):
            raise SkippedError("the connector cannot list keys: a full run removes nothing")
        parts, first = _parts(context, one), run(one)
        plan = one.plan("full", first.checkpoint, _selecting(one, _selector(one, parts), parts[-1]))
        alone = one.whole(plan)
        if alone.error is not None:
            raise alone.error
        checkpoint = one.source.checkpoint(plan, receipts_of(alone, plan))
        last = run(one.new_process(), checkpoint)
        truth = full(one)
    sent = f"a full run of part {parts[-1]} alone, whose comparison of keys removed the rows of others; then one of all"
    return same_rows(sent, truth, last.reading.over(alone))


def _change_in_all(context: CheckContext, parts: Sequence[str]) -> None:
    """Two rows of each part; the oldest rows where the test system cannot choose."""
    try:
        for part in (*parts, *parts):
            context.system.change_in_part(part)
    except HookMissingError:
        context.system.change(len(parts))


@PLANS.check("part-unknown", "A part that is not there is refused when it is selected", "I1 I9")
def part_unknown(context: CheckContext) -> CheckObservation:
    """Ignored, it would be an empty run, and a full one would remove every row."""
    sent, expected = "a selection of a part that does not exist", "a PlanError with a next step, or a gap in the report"
    with context.connected() as one:
        parts = _parts(context, one)
        policy = _selecting(one, _selector(one, parts), "no-such-part")
        try:
            plan = one.plan(policy=policy)
            reading = one.read(plan)
        except IngestionError as error:
            right = isinstance(error, PlanError) and bool(error.next_step)
            return CheckObservation(right, sent, describe_error(error), expected)
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    received = f"a gap: {reading.gaps[0]}" if reading.gaps else f"{len(reading.rows)} rows and no gap"
    return CheckObservation(bool(reading.gaps), sent, received, expected)


@CHECKPOINTS.check("part-gap-holds", "A part that could not be read stays where it was, and the others go on", "I4 I9")
def part_gap_holds(context: CheckContext) -> CheckObservation:
    """Rows change in every part; in the next run the first lists are refused. Then one window of a part's is."""
    location = context.system.row_location
    with context.connected(**context.system.smallest_overlap) as one:
        parts, first = _parts(context, one), run(one)
        _change_in_all(context, parts)
        plan = one.plan("incremental", first.checkpoint)
        one.proxy.fault = fault = RespondWithStatus(403, times=max(2, len(parts) // 2), **location.request_filter)
        reading = one.read(plan)
        one.proxy.fault = None
        sent = describe_fault(fault)
        if reading.error is not None:
            return passed(sent, describe_error(reading.error), "a typed error, or a gap that the next run reads")
        checkpoint = one.source.checkpoint(plan, receipts_of(reading, plan))
        second = run(one.new_process(), checkpoint)
        truth = full(one)
    seen = same_rows(sent, truth, second.reading.over(reading.over(first.reading)), whole=False)
    return seen if not seen.passed else last_but_one_held(context) or seen
