"""Killed anywhere: what was finished is kept, the rest is read again, and nothing is missing or twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, Group, failed, passed
from connector_kit.checks.expectations import describe_error, same_rows_or_reported
from connector_kit.checks.rows import ReadResult, Row, difference
from connector_kit.checks.system import SkippedError, UntriedError
from connector_kit.recording.faults import ResetConnection
from connector_kit.recording.messages import RecordedResponse
from connector_kit.recording.session_faults import StaleTokens
from contracts.plan import IngestionPlan, IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.checks.context import CheckContext, ConnectedSource

GROUP = Group("resume", "Restarts")
MOST_CUTS = 10


@GROUP.check("every-page", "The system fails after any page; a new process resumes without loss", "I3 I1 I2")
def every_page(context: CheckContext) -> CheckObservation:
    """The system is gone after k pages; slices without an end are read again by a new source."""
    expected = "the rows of an undisturbed read, whatever page was the last"
    location, truth = context.system.row_location, context.truth
    with context.connected(**context.known(max_tries=2)) as one:
        plan = context.plan(one)
        requests_before = len(one.proxy.requests)
        one.read(plan)
        asked = (seen for seen in one.proxy.requests[requests_before:] if seen.status < 300)
        pages = sum(location.path in seen.path for seen in asked)
        if not pages:
            raise UntriedError("no page of rows went through the proxy")
        plan = IngestionPlan.model_validate_json(plan.model_dump_json())
        for last in _spread(pages):
            fault = ResetConnection(**location.request_filter, nth=last + 1, times=None)
            one.proxy.fault = fault
            before = one.new_process().read(plan)
            one.proxy.fault = None
            rest = [piece for piece in plan.slices if piece.key not in before.slices]
            after = one.new_process().read(plan, rest)
            sent = f"the connection is gone after {last} of {pages} pages; {len(rest)} slices are read again"
            if before.error is None or after.error is not None:
                return failed(sent, describe_error(after.error) if after.error else "no error", expected)
            if mismatch := _together(truth, before, after):
                return failed(sent, mismatch, expected)
    return passed(f"the connection is gone after each of {pages} pages", f"{len(truth)} rows each time", expected)


@GROUP.check("every-batch", "A reader that stops after any batch can resume", "I3")
def every_batch(context: CheckContext) -> CheckObservation:
    """Each slice is left after k batches, then read by the same source and by a new one."""
    sent, expected = "a slice is left after each of its batches and read again", "the same rows each time"
    with context.connected() as one:
        plan = context.plan(one)
        for piece in _ends(plan.slices):
            whole = one.read(plan, [piece])
            batches = len(whole.slices[piece.key].frames)
            for count in range(min(batches, MOST_CUTS)):
                _leave(one, plan, piece.sequence, count)
                for source in (one, one.new_process()):
                    again = source.read(plan, [piece])
                    mismatch = difference(whole.rows, again.rows) or (again.error and describe_error(again.error))
                    if mismatch:
                        return failed(sent, f"slice {piece.sequence}, batch {count + 1}: {mismatch}", expected)
    return passed(sent, "the same rows", expected)


@GROUP.check("stale-tokens", "Page tokens of a process that ended are not needed by the next one", "I3 I1")
def stale_tokens(context: CheckContext) -> CheckObservation:
    """A plan is made and half read; tokens given so far are refused to the process that reads the rest."""
    location, truth = context.system.pages, context.truth
    if not location.shape.has_tokens:
        raise SkippedError("the pages have no tokens")
    status, body = location.expired
    answer = RecordedResponse(status, (("Content-Type", "application/json"),), body)
    fault = StaleTokens(location.shape, answer, **location.request_filter)
    with context.connected(fault) as one:
        plan = IngestionPlan.model_validate_json(one.plan().model_dump_json())
        _leave(one, plan, 0, 1)
        before = one.read(plan, plan.slices[: len(plan.slices) // 2])
        fault.restart()
        after = one.new_process().read(plan, plan.slices[len(plan.slices) // 2 :])
    sent = "page tokens from before a restart are refused after it"
    return same_rows_or_reported(sent, truth, after.over(before) if after.error is None else after)


@GROUP.check("again", "Reading a slice again gives the same rows in the same order", "I2 I3")
def again(context: CheckContext) -> CheckObservation:
    """Every slice twice, and the slices in another order."""
    sent, expected = "every slice read twice, the second time from the last to the first", "the same rows and reports"
    with context.connected() as one:
        plan = context.plan(one)
        first = one.read(plan)
        second = one.read(plan, plan.slices[::-1])
    for name, read in first.slices.items():
        other = second.slices.get(name)
        if other is None or read.keys != other.keys or read.report != other.report:
            return failed(sent, f"slice {name} is not the same", expected)
    mismatch = difference(first.rows, second.rows)
    return CheckObservation(not mismatch, sent, mismatch or f"{len(first.rows)} rows, twice", expected)


def _together(truth: dict[str, Row], before: ReadResult, after: ReadResult) -> str:
    twice = set(before.rows) & set(after.rows)
    mismatch = difference(truth, after.over(before).rows)
    return mismatch or (f"{len(twice)} rows came before and after" if twice else "")


def _leave(one: ConnectedSource, plan: IngestionPlan, sequence: int, count: int) -> None:
    """Take some batches, then go."""
    batches = one.source.export(plan, plan.slices[sequence])
    for _ in range(count):
        next(batches)
    batches.close()  # type: ignore[attr-defined]


def _spread(pages: int) -> list[int]:
    """Numbers of the last good page, from none to all but one; not all of them when there are many."""
    step = max(1, -(-pages // MOST_CUTS))
    return list(range(0, pages, step))


def _ends(slices: Sequence[IngestionSlice]) -> list[IngestionSlice]:
    return [slices[0]] if len(slices) == 1 else [slices[0], slices[-1]]
