"""The checkpoint: it never passes the data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, Group, failed, passed
from connector_kit.checks.context import receipts_of
from connector_kit.checks.expectations import describe_error, describe_fault, same_rows
from connector_kit.checks.incremental import full, run
from connector_kit.checks.system import SkippedError
from connector_kit.recording.faults import RespondWithStatus
from connector_kit.recording.page_faults import EditRow
from connector_kit.recording.page_shape import get, put
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from typing import Any

    from connector_kit.checks.context import CheckContext
    from connector_kit.recording.faults import Fault
    from contracts.model import Json

GROUP = Group("state", "Checkpoints")
_MOST_BYTES = 64 * 1024


@GROUP.check("not-ahead", "A change during a run is read by it or by the next run", "I4 I1")
def not_ahead(context: CheckContext) -> CheckObservation:
    """Rows change between plan and export; the slices that are read last are not."""
    with context.connected() as one:
        first = run(one)
        plan = one.plan("incremental", first.checkpoint)
        changed = context.system.change(4)
        reading = one.read(plan)
        if reading.error is not None:
            raise reading.error
        checkpoint = one.source.checkpoint(plan, receipts_of(reading, plan))
        second = run(one.new_process(), checkpoint)
        truth = full(one)
    sent = f"{len(changed)} rows changed after a run was planned"
    return same_rows(sent, truth, second.reading.over(reading.over(first.reading)))


def repaired(context: CheckContext, fault: Fault) -> CheckObservation:
    """A run with a fault, its checkpoint, and a run without: together they are everything, or the first failed."""
    expected = "the next run reads what is missing; or the run fails, and there is no checkpoint"
    with context.connected() as one:
        if "incremental" not in one.unit.supported_modes:
            raise SkippedError("the unit cannot be read incrementally")
        plan = one.plan("incremental")
        one.proxy.fault = fault
        reading = one.read(plan)
        one.proxy.fault = None
        if reading.error is not None:
            return CheckObservation(
                bool(reading.error.next_step), describe_fault(fault), describe_error(reading.error), expected
            )
        second = run(one.new_process(), one.source.checkpoint(plan, receipts_of(reading, plan)))
        truth = full(one)
    seen = same_rows(describe_fault(fault), truth, second.reading.over(reading), whole=False)
    return CheckObservation(seen.passed, describe_fault(fault), f"{seen.received} after the next run", expected)


@GROUP.check("gap-holds", "A slice with a gap is read again by the next run", "I4 I9")
def gap_holds(context: CheckContext) -> CheckObservation:
    """A page in the first slice is refused, then one in the last."""
    pages = pages_by_slice(context)
    first = repaired(context, _refusing(context, 2))
    return first if not first.passed or sum(pages) < 4 else repaired(context, _refusing(context, sum(pages)))


def last_but_one_held(context: CheckContext) -> CheckObservation | None:
    """The last page of the last slice but one is refused: the last one may not make up for it. None: there is none."""
    pages = sum(pages_by_slice(context)[:-1])
    return repaired(context, _refusing(context, pages)) if pages else None


def pages_by_slice(context: CheckContext) -> list[int]:
    """How many requests for pages each slice of a full read takes."""
    location = context.system.row_location
    pages = []
    with context.connected() as one:
        plan = context.plan(one)
        for piece in plan.slices:
            before = len(one.proxy.requests)
            one.slice(plan, piece)
            pages.append(sum(location.path in seen.path for seen in one.proxy.requests[before:]))
    return pages


def _refusing(context: CheckContext, nth: int) -> Fault:
    return RespondWithStatus(403, nth=nth, **context.system.row_location.request_filter)


@GROUP.check("missing-holds", "A slice with fewer rows than promised is read again by the next run", "I4 I9")
def missing_holds(context: CheckContext) -> CheckObservation:
    """The oldest row is listed or counted, and does not come."""
    location = context.system.row_location
    if location is context.system.pages and location.total is None:
        raise SkippedError("the system makes no promise how many rows a list has")
    oldest = min(context.truth, key=lambda key: (len(key), key))

    def without_it(row: Any) -> Any:
        return None if str(get(row, location.key)) == oldest else row

    return repaired(context, EditRow(location.shape, without_it, "held back a row", **location.request_filter))


@GROUP.check("fold", "A checkpoint is small JSON and does not depend on the order of receipts", "I4")
def fold(context: CheckContext) -> CheckObservation:
    """Receipts forwards and backwards."""
    with context.connected() as one:
        first = run(one, late=False)
        receipts = receipts_of(first.reading, first.plan)
        before = len(one.proxy.requests)
        made = [one.source.checkpoint(first.plan, order) for order in (receipts, receipts[::-1])]
        requests = len(one.proxy.requests) - before
    text = json.dumps(made[0])
    sent, expected = "receipts in two orders", f"one checkpoint, JSON of at most {_MOST_BYTES} bytes, and no requests"
    right = made[0] == made[1] and json.loads(text) == made[0] and len(text) <= _MOST_BYTES and not requests
    received = "the same" if made[0] == made[1] else f"{made[0]} and {made[1]}"
    return CheckObservation(right, sent, f"{received}, {len(text)} bytes, {requests} requests", expected)


@GROUP.check("foreign", "A checkpoint of unknown shape is refused, or everything is read", "I4")
def foreign(context: CheckContext) -> CheckObservation:
    """Checkpoints that nobody here wrote."""
    sent, expected = "checkpoints that were written by something else", "a typed error with a next step, or all rows"
    truth = context.truth
    with context.connected() as one:
        run(one)
        others: tuple[Json, ...] = ({"watermark": "yesterday"}, {"offset": 17})
        for strange in others:
            try:
                reading = one.read(one.plan("incremental", strange))
            except IngestionError as error:
                if not error.next_step:
                    return failed(sent, describe_error(error), expected)
                continue
            if missed := set(truth) - set(reading.rows):
                return failed(sent, f"{strange}: {len(missed)} rows were not read", expected)
    return passed(sent, "refused, or all rows", expected)


@GROUP.check("future-row", "A row dated far in the future does not become the watermark", "I4 I1")
def future_row(context: CheckContext) -> CheckObservation:
    """One row claims to have changed in 2190; later changes must still be read."""
    system = context.system
    field, location = system.field("timestamp"), system.row_location
    far_ahead = system.timestamp(datetime(2190, 1, 1, tzinfo=UTC))
    newest = max(context.truth.items(), key=lambda one: (one[1][field.column] is not None, one[1][field.column]))[0]

    def edit(row: Any) -> Any:
        return put(row, field.json, far_ahead) if str(get(row, location.key)) == newest else row

    fault = EditRow(location.shape, edit, "dated a row 2190", **location.request_filter)
    with context.connected(fault) as one:
        first = run(one)
        changed = system.change(3)
        second = run(one.new_process(), first.checkpoint)
        truth = full(one)
    seen = same_rows(describe_fault(fault), truth, second.reading.over(first.reading), whole=False)
    return CheckObservation(
        seen.passed, seen.sent, seen.received, f"the {len(changed)} rows that changed later are read"
    )
