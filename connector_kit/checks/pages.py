"""Pages as real systems give them: short, empty, doubled, mixed, and bookmarks that lead in circles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, Group, failed
from connector_kit.checks.expectations import describe_error, describe_fault, same_rows, same_rows_or_reported
from connector_kit.checks.observed_keys import KeyRecorder
from connector_kit.checks.rows import bare, difference
from connector_kit.checks.system import SkippedError, UntriedError
from connector_kit.recording.faults import RespondWithStatus
from connector_kit.recording.page_faults import EditRow, EmptyPage, ReorderRows, RepeatRows, RepeatToken, ShortenPage

if TYPE_CHECKING:
    from connector_kit.checks.context import CheckContext
    from connector_kit.checks.system import PageLocation
    from connector_kit.recording.page_faults import PageFault

GROUP = Group("pages", "Pages")
MOST_PAGES = 300
"""A list of a test system has fewer."""


@GROUP.check("every-row", "Every row that the system sends comes out", "I1")
def every_row(context: CheckContext) -> CheckObservation:
    """Keys on the wire against keys that came out."""
    watch = KeyRecorder.at(context.system.row_location)
    reading = context.read_with_fault(watch)
    if not watch.pages:
        raise UntriedError("no page of rows went through the proxy")
    sent = f"{len(watch.keys)} rows in {len(watch.pages)} answers"
    expected = f"those {len(watch.keys)} rows, and no others"
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    mismatch = difference(bare(watch.keys), bare(reading.rows))
    return CheckObservation(not mismatch, sent, mismatch or f"{len(reading.rows)} rows", expected)


def _with_page_fault(context: CheckContext, fault: PageFault) -> CheckObservation:
    truth, reading = context.truth, context.read_with_fault(fault)
    return same_rows(describe_fault(fault), truth, reading)


def _not_by_position(location: PageLocation, why: str) -> None:
    if location.shape.offset is not None:
        raise SkippedError(f"pages are asked for by the position of their first row: {why}")


@GROUP.check("duplicate", "A row that is sent twice comes out once", "I2 I9")
def duplicate(context: CheckContext) -> CheckObservation:
    """The last two rows of every page come again on the next."""
    location = context.system.pages
    _not_by_position(location, "a row that is sent twice takes the place of another")
    return _with_page_fault(context, RepeatRows(location.shape, 2, **location.request_filter, times=None))


@GROUP.check("reordered", "The order of rows within a page does not matter", "I1")
def reordered(context: CheckContext) -> CheckObservation:
    """Rows of every page are mixed."""
    location = context.system.row_location
    return _with_page_fault(context, ReorderRows(location.shape, **location.request_filter, times=None))


@GROUP.check("short", "A short page does not end the list", "I1 I9")
def short(context: CheckContext) -> CheckObservation:
    """Every page holds half of its rows."""
    location = context.system.pages
    return _with_page_fault(context, ShortenPage(location.shape, **location.request_filter, times=None))


@GROUP.check("empty", "An empty page with a next page does not end the list", "I1 I9")
def empty(context: CheckContext) -> CheckObservation:
    """The second page has no rows; they come on the third."""
    location = context.system.pages
    _not_by_position(location, "a page without rows has no next one")
    return _with_page_fault(context, EmptyPage(location.shape, **location.request_filter, nth=2))


@GROUP.check("empty-first", "A list that begins with an empty page is not empty", "I1 I9")
def empty_first(context: CheckContext) -> CheckObservation:
    """The first page has no rows; they come on the second."""
    location = context.system.pages
    _not_by_position(location, "a page without rows has no next one")
    return _with_page_fault(context, EmptyPage(location.shape, **location.request_filter))


@GROUP.check("token-repeats", "A page token that leads back to its own page does not loop forever", "I1 I9")
def token_repeats(context: CheckContext) -> CheckObservation:
    """The second page's bookmark is its own."""
    location = context.system.pages
    if not location.shape.has_tokens:
        raise SkippedError("pages are numbered: there is no bookmark")
    fault, truth = RepeatToken(location.shape, **location.request_filter), context.truth
    with context.connected() as one:
        plan = context.plan(one)
        one.proxy.fault = fault
        one.allowance, most = MOST_PAGES, len(one.proxy.requests) + MOST_PAGES
        reading = one.read(plan)
        requests_before = len(one.proxy.requests)
    if requests_before >= most:
        return failed(describe_fault(fault), f"{MOST_PAGES} pages and no end", "a typed error after a few pages")
    return same_rows_or_reported(describe_fault(fault), truth, reading, gap=False)


@GROUP.check("token-expires", "A page token that expires loses no row", "I1 I9")
def token_expires(context: CheckContext) -> CheckObservation:
    """The third page is answered 410, or as the system answers to an expired token, once."""
    location, truth = context.system.pages, context.truth
    status, body = location.expired
    fault = RespondWithStatus(status, body=body, nth=3, **location.request_filter)
    reading = context.read_with_fault(fault)
    return same_rows_or_reported(describe_fault(fault), truth, reading)


@GROUP.check("promised", "Each slice's report has the number of rows that the system promised", "I9")
def promised(context: CheckContext) -> CheckObservation:
    """Expected rows against rows that came, slice by slice."""
    _need_promise(context)
    with context.connected() as one:
        plan = context.plan(one)
        reading = one.read(plan)
    sent, expected = f"an undisturbed read of {len(plan.slices)} slices", "every report expects the rows that came"
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    wrong = [
        f"slice {name} expects {read.report.expected_rows} rows, and {len(read.keys)} came"
        for name, read in reading.slices.items()
        if read.report.expected_rows != len(read.keys)
    ]
    return CheckObservation(not wrong, sent, wrong[0] if wrong else "so in every report", expected)


def _need_promise(context: CheckContext) -> None:
    location = context.system.row_location
    if location is context.system.pages and location.total is None:
        raise SkippedError("the system makes no promise how many rows a list has")


@GROUP.check("total", "Fewer rows than the system promised are reported", "I9")
def total(context: CheckContext) -> CheckObservation:
    """A row is held back although it was listed or counted."""
    _need_promise(context)
    location = context.system.row_location
    kept_back: list[str] = []

    def without_one(row: dict[str, object]) -> dict[str, object] | None:
        key = str(row.get(location.key))
        if not kept_back:
            kept_back.append(key)
        return None if key in kept_back else row

    truth = context.truth
    fault = EditRow(location.shape, without_one, "held back a row", **location.request_filter)
    reading = context.read_with_fault(fault)
    return same_rows_or_reported(describe_fault(fault), truth, reading)
