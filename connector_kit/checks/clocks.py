"""Clocks that are wrong, and moments from every zone."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, Group, failed, passed
from connector_kit.checks.expectations import describe_error, describe_fault, same_rows
from connector_kit.checks.incremental import full, run
from connector_kit.checks.rows import difference, shown
from connector_kit.checks.system import SkippedError
from connector_kit.checks.values import one_value
from connector_kit.recording.faults import ShiftServerClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connector_kit.checks.context import CheckContext

GROUP = Group("clock", "Clocks and zones")
_OFFSETS = (timedelta(hours=5, minutes=30), timedelta(hours=-8), timedelta(), timedelta(hours=14))


def _skewed(context: CheckContext, offset_s: float) -> CheckObservation:
    fault, truth = ShiftServerClock(offset_s), context.truth
    with context.connected() as plain:
        slices = context.plan(plain).slices
    with context.connected(fault) as one:
        plan = one.plan()
        reading = one.whole(plan)
    expected = "the same slices, the same rows"
    if plan.slices != slices:
        return failed(describe_fault(fault), "other slices", expected)
    seen = same_rows(describe_fault(fault), truth, reading)
    return CheckObservation(seen.passed, describe_fault(fault), seen.received, expected)


@GROUP.check("behind", "A system clock that is a year behind loses no row", "I1")
def behind(context: CheckContext) -> CheckObservation:
    """Date headers of last year."""
    return _skewed(context, -31_536_000.0)


@GROUP.check("ahead", "A system clock that is a year ahead loses no row", "I1")
def ahead(context: CheckContext) -> CheckObservation:
    """Date headers of next year."""
    return _skewed(context, 31_536_000.0)


@GROUP.check("zones", "A timestamp is the same moment in every time zone", "I12")
def zones(context: CheckContext) -> CheckObservation:
    """One moment, written with four offsets; and a whole second, written without a fraction where that is usual."""
    field, moment = context.system.field("timestamp"), datetime(2025, 3, 30, 1, 30, 15, 123_000, tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    texts = [(moment, context.system.timestamp(moment.astimezone(timezone(offset)))) for offset in _OFFSETS]
    for wanted, text in [*texts, (whole, re.sub(r"(:\d\d)\.0+(?!\d)", r"\1", context.system.timestamp(whole)))]:
        expected = f"{wanted.isoformat()}"
        sent = f"a moment, written {text}"
        value, error, _ = one_value(context, field, text)
        if error is not None:
            return failed(sent, describe_error(error), expected)
        if not isinstance(value, datetime) or value.tzinfo is None or value != wanted:
            return failed(sent, shown(value), expected)
    return passed("one moment, written with four offsets; a whole second", "the same moments", "the same moments")


@GROUP.check("naive", "A timestamp without an offset is not given an arbitrary zone", "I12")
def naive(context: CheckContext) -> CheckObservation:
    """The offset is missing."""
    field = context.system.field("timestamp")
    sent, expected = "a moment without an offset, 2025-03-30T01:30:15.123", "a typed error with a next step"
    value, error, _ = one_value(context, field, "2025-03-30T01:30:15.123")
    if error is None:
        return failed(sent, shown(value), expected)
    return CheckObservation(bool(error.next_step), sent, describe_error(error), expected)


@GROUP.check("our-zone", "The reader's own time zone does not matter", "I12 I1")
def our_zone(context: CheckContext) -> CheckObservation:
    """Everything is read again as if this machine stood on the other side of the world."""
    truth = context.truth
    with _zone("Pacific/Auckland"), context.connected() as one:
        plan = one.plan()
        reading = one.read(plan)
    sent, expected = "the same system, read by a machine whose clock is set to Auckland", "the same rows"
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    mismatch = difference(truth, reading.rows)
    return CheckObservation(not mismatch, sent, mismatch or "the same rows", expected)


@GROUP.check("our-zone-later", "Incremental runs do not depend on the reader's own time zone", "I1 I12")
def our_zone_later(context: CheckContext) -> CheckObservation:
    """After a run, a row shows up that changed a little before the newest one; machines of two zones read it."""
    sent, expected = "runs of machines whose clocks are set to Auckland and to Honolulu", "the rows of a full run"
    with context.connected() as one:
        for name in ("Pacific/Auckland", "Pacific/Honolulu"):
            with _zone(name):
                first = run(one)
                context.system.change_late(30.0)
                second = run(one.new_process(), first.checkpoint)
            truth = full(one)
            if mismatch := difference(truth, second.reading.over(first.reading).rows):
                return failed(f"an incremental run in {name}", mismatch, expected)
    return passed(sent, f"all {len(truth)} rows", expected)


@GROUP.check("edge", "A timestamp at the edge of the calendar is read exactly or is an error", "I12")
def edge(context: CheckContext) -> CheckObservation:
    """The first hours of year 1, in a zone where it is still year 0 in UTC."""
    field, text = (
        context.system.field("timestamp"),
        context.system.timestamp(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))),
    )
    sent, expected = f"a moment, written {text}", "the last day of the year before; or a typed error with a next step"
    value, error, _ = one_value(context, field, text)
    if error is None:
        return CheckObservation(isinstance(value, str) and "12-31" in value, sent, shown(value), expected)
    return CheckObservation(bool(error.next_step), sent, describe_error(error), expected)


@contextmanager
def _zone(name: str) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        raise SkippedError("this machine's zone cannot be changed while it runs")
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
