"""Answers that are bad: for a while, or for good."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from connector_kit.checks.bench import MOST_REQUESTS
from connector_kit.checks.check import Check, Group, Outcome, failed, passed
from connector_kit.checks.lab import SkippedError
from connector_kit.checks.rows import SliceRead
from connector_kit.checks.verdicts import did, in_words, rows_or_told, same_rows
from connector_kit.checks.wire import listed_keys
from connector_kit.tape.spoil import Corrupt, Cut, Delay, Drop, Hang, Spoil, Status
from contracts.endpoint import SupportsDeleteDetection
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.checks.bench import Bench, Connected
    from connector_kit.checks.lab import Spot
    from contracts.plan import IngestionPlan

GROUP = Group("errors", "Faults")
FAILED = ("E_SOURCE_PAGE_FAILED", "E_SOURCE_UNREACHABLE")
_HTML = b"<!doctype html><title>Sign in</title><p>The service is being mended."
Faults = dict[str, "Callable[[Spot, int, int | None], Spoil]"]


def _status(status: int) -> Callable[[Spot, int, int | None], Spoil]:
    return lambda spot, nth, times: Status(status, nth=nth, times=times, path=spot.path, method=spot.method)


_WIRE: Faults = {
    "dropped": lambda spot, nth, times: Drop(nth=nth, times=times, path=spot.path, method=spot.method),
    "cut": lambda spot, nth, times: Cut(nth=nth, times=times, path=spot.path, method=spot.method),
    "corrupt": lambda spot, nth, times: Corrupt(nth=nth, times=times, path=spot.path, method=spot.method),
    "html": lambda spot, nth, times: Corrupt(_HTML, nth=nth, times=times, path=spot.path, method=spot.method),
}
PASSING: Faults = {
    **{str(status): _status(status) for status in (429, 500, 502, 503, 504)},
    **_WIRE,
    "slow": lambda spot, nth, times: Delay(0.15, nth=nth, times=times, path=spot.path, method=spot.method),
}
STAYING: Faults = {**{str(status): _status(status) for status in (400, 403, 404, 410, 429, 500, 503)}, **_WIRE}
_TOLD = {"429": FAILED, "500": FAILED, "503": FAILED, **dict.fromkeys(_WIRE, FAILED)}


def _passing(name: str) -> Callable[[Bench], Outcome]:
    """A check in which the second page is bad twice, then good."""

    def run(bench: Bench) -> Outcome:
        """The second page is bad twice, then good."""
        spoil, truth = PASSING[name](bench.lab.row_spot, 2, 2), bench.truth
        reading = bench.spoiled(spoil)
        return same_rows(did(spoil), truth, reading)

    return run


def _staying(name: str) -> Callable[[Bench], Outcome]:
    """A check in which pages stay bad."""

    def run(bench: Bench) -> Outcome:
        """Every page from the first on is bad, then every page from the second on; of the list, and of the rows."""
        lab, truth, codes = bench.lab, bench.truth, _TOLD.get(name, ())
        outcome = failed("", "nothing was tried", "")
        for spot in dict.fromkeys((lab.pages, lab.row_spot)):
            for nth in (1, 2):
                spoil = STAYING[name](spot, nth, None)
                reading = bench.spoiled(spoil)
                outcome = rows_or_told(did(spoil), truth, reading, codes)
                if not outcome.passed:
                    return outcome
        return outcome

    return run


GROUP.checks += [
    Check(f"errors.passing-{name}", f"An answer that is bad for a while ({name}) costs no row", "I1", _passing(name))
    for name in PASSING
]
GROUP.checks += [
    Check(f"errors.staying-{name}", f"An answer that stays bad ({name}) is told", "I1 I9", _staying(name))
    for name in STAYING
]


@GROUP.check("timeout", "A system that never answers is an error, in time", "I1")
def timeout(bench: Bench) -> Outcome:
    """The second page hangs; a request may take a third of a second."""
    spot, truth = bench.lab.row_spot, bench.truth
    spoil = Hang(nth=2, times=None, path=spot.path, method=spot.method)
    reading = bench.spoiled(spoil, **bench.known(request_timeout_s=0.3, max_tries=2))
    return rows_or_told(did(spoil), truth, reading, FAILED)


@GROUP.check("unreachable", "A system that is not there is an error with a next step", "I7")
def unreachable(bench: Bench) -> Outcome:
    """Nobody listens."""
    sent, expected = "nobody listens at the address", "E_SOURCE_UNREACHABLE with a next step"
    with bench.connected() as one:
        url = one.tape.url
    source = bench.lab.factory.source(bench.config(url, **bench.known(max_tries=2)))
    try:
        source.test_connection()
    except IngestionError as error:
        return Outcome(error.code == "E_SOURCE_UNREACHABLE" and bool(error.next_step), sent, in_words(error), expected)
    finally:
        source.close()
    return failed(sent, "a connection that works", expected)


@GROUP.check("login", "Credentials that do not count any more are an error wherever they are used", "I7 I1")
def login(bench: Bench) -> Outcome:
    """401 to everything, after the plan was made."""
    sent, expected = "401 to every request", "E_SOURCE_AUTH with a next step from every method"
    with bench.connected() as one:
        plan = bench.plan(one)
        one.tape.spoil = Status(401, times=None)
        asked = _methods(one, plan)
        for name, ask in asked.items():
            received = _raised(ask)
            if not received.startswith("E_SOURCE_AUTH") or "without a next step" in received:
                return failed(sent, f"{name}: {received}", expected)
    return passed(sent, f"so from {', '.join(asked)}", expected)


@GROUP.check("staying-401", "A login that runs out in the middle is an error, and not the end of the list", "I1 I9")
def staying_401(bench: Bench) -> Outcome:
    """401 from the second page on."""
    spot, truth = bench.lab.row_spot, bench.truth
    spoil = Status(401, nth=2, times=None, path=spot.path, method=spot.method)
    reading = bench.spoiled(spoil)
    return rows_or_told(did(spoil), truth, reading, ("E_SOURCE_AUTH",), gap=False)


@GROUP.check("refused", "A refusal is a typed error, whatever was asked", "I7 I9")
def refused(bench: Bench) -> Outcome:
    """403, then 404, then 400 to every request."""
    expected = "a typed error with a next step from every method; from export, a gap will do"
    for status in (403, 404, 400):
        with bench.connected() as one:
            plan = bench.plan(one)
            one.tape.spoil = Status(status, times=None)
            for name, ask in _methods(one, plan).items():
                received = _raised(ask)
                told = received.startswith("E_") or (name == "export" and received == "a gap")
                if not told or "without a next step" in received:
                    return failed(f"{status} to every request", f"{name}: {received}", expected)
    return passed("403, 404 and 400 to every request", "so from every method", expected)


@GROUP.check("planning", "A plan is not made of answers that are refused", "I1 I9")
def planning(bench: Bench) -> Outcome:
    """The list is refused while the plan is made."""
    spot, truth = bench.lab.pages, bench.truth
    expected = "a typed error with a next step; or a plan whose slices tell, or hold all rows"
    for status in (403, 404, 410, 500):
        sent = f"{status} for the list while the plan is made"
        with bench.connected() as one:
            unit = one.unit
            one.tape.spoil = Status(status, times=None, path=spot.path, method=spot.method)
            try:
                plan = one.source.plan(one.request(unit))
            except IngestionError as error:
                if not error.next_step:
                    return failed(sent, in_words(error), expected)
                continue
            one.tape.spoil = None
            seen = rows_or_told(sent, truth, one.read(plan))
        if not seen.passed:
            return failed(sent, seen.received, expected)
    return passed("the list is refused while the plan is made", "errors, or all rows", expected)


@GROUP.check("keys", "Keys that could not all be listed are an error: what is missing would be deleted", "I1 I9")
def keys(bench: Bench) -> Outcome:
    """The list of keys is refused, cut or fails from its second page on."""
    spot, expected = bench.lab.pages, "a typed error, or all keys"
    with bench.connected() as one:
        plan = bench.plan(one)
        whole = listed_keys(one, plan)
        for status in (403, 404, 500, 0):
            spoil: Spoil = Status(status, nth=2, times=None, path=spot.path, method=spot.method)
            if not status:
                spoil = Cut(nth=2, times=None, path=spot.path, method=spot.method)
            one.tape.spoil = spoil
            try:
                found = listed_keys(one, plan)
            except IngestionError as error:
                if not error.next_step:
                    return failed(did(spoil), in_words(error), expected)
                continue
            if spoil.done and found != whole:
                return failed(did(spoil), f"{len(found)} of {len(whole)} keys and no error", expected)
    return passed("the list of keys stops after its first page", "a typed error", expected)


def _waits(bench: Bench, one: Connected, spoil: Status, pause_s: float) -> Outcome:
    """Whether the request after the spoiled one came as late as was asked, and all rows came."""
    truth, plan = bench.truth, bench.plan(one)
    one.tape.spoil = spoil
    reading = one.read(plan)
    seen = sorted(one.tape.requests, key=lambda request: request.began_s)
    at = next((index for index, request in enumerate(seen) if request.spoiled), None)
    if at is None or at + 1 >= len(seen):
        raise SkippedError("the list has one page")
    waited = seen[at + 1].began_s - seen[at].began_s - seen[at].seconds
    expected = f"no request for {pause_s:.1f} s, then the same rows"
    rows = same_rows(did(spoil), truth, reading)
    received = f"the next request came after {waited:.2f} s; {rows.received}"
    return Outcome(rows.passed and waited >= pause_s - 0.02, did(spoil), received, expected)


@GROUP.check("retry-after", "Retry-After in seconds is obeyed", "I1")
def retry_after(bench: Bench) -> Outcome:
    """429 with a pause of a second."""
    spot = bench.lab.row_spot
    spoil = Status(429, {"Retry-After": "1"}, nth=2, path=spot.path, method=spot.method)
    with bench.connected() as one:
        return _waits(bench, one, spoil, 1.0)


@GROUP.check("retry-after-date", "Retry-After as a date is obeyed", "I1")
def retry_after_date(bench: Bench) -> Outcome:
    """503 until a moment that is one to two seconds away."""
    spot, truth = bench.lab.row_spot, bench.truth
    with bench.connected() as one:
        plan = bench.plan(one)
        until = math.ceil(time.time()) + 1
        date = format_datetime(datetime.fromtimestamp(until, UTC), usegmt=True)
        spoil = Status(503, {"Retry-After": date}, nth=1, path=spot.path, method=spot.method)
        one.tape.spoil = spoil
        reading = one.read(plan)
        early = until - time.time()
    seen = same_rows(did(spoil), truth, reading)
    expected = "no request before that moment, then the same rows"
    received = f"the read was over {early:.2f} s before it" if early > 0 else seen.received
    return Outcome(seen.passed and early <= 0, did(spoil), received, expected)


@GROUP.check("retry-after-long", "A pause that is longer than the run may last ends it with an error", "I1")
def retry_after_long(bench: Bench) -> Outcome:
    """429 with a pause of a day."""
    spot, truth, began = bench.lab.row_spot, bench.truth, time.monotonic()
    spoil = Status(429, {"Retry-After": "86400"}, nth=2, times=None, path=spot.path, method=spot.method)
    reading = bench.spoiled(spoil, **bench.known(max_wait_s=0.2))
    seen = rows_or_told(did(spoil), truth, reading, FAILED)
    return Outcome(seen.passed, did(spoil), f"{seen.received}, after {time.monotonic() - began:.1f} s", seen.expected)


@GROUP.check("retries-end", "A system that only fails is given up after some tries", "I1")
def retries_end(bench: Bench) -> Outcome:
    """500 to everything from the second page on."""
    spot = bench.lab.row_spot
    spoil = Status(500, nth=2, times=None, path=spot.path, method=spot.method)
    with bench.connected() as one:
        plan = bench.plan(one)
        one.tape.spoil = spoil
        before = len(one.tape.requests)
        reading = one.read(plan)
        asked = len(one.tape.requests) - before
    expected = "a typed error after at most 200 requests"
    received = f"{asked} requests, {in_words(reading.error) if reading.error else 'no error'}"
    return Outcome(reading.error is not None and asked <= min(200, MOST_REQUESTS), did(spoil), received, expected)


def _methods(one: Connected, plan: IngestionPlan) -> dict[str, Callable[[], object]]:
    """Everything that asks the system, by name."""
    asked: dict[str, Callable[[], object]] = {
        "test_connection": one.source.test_connection,
        "collect_catalog": lambda: one.source.collect_catalog("checked"),
        "plan": lambda: one.source.plan(one.request(plan.unit)),
        "export": lambda: one.slice(plan, plan.slices[-1]),
        "preview": lambda: one.source.preview(plan.unit, 3),
    }
    if isinstance(one.source, SupportsDeleteDetection):
        asked["export_keys"] = lambda: listed_keys(one, plan)
    return asked


def _raised(ask: Callable[[], object]) -> str:
    try:
        given = ask()
    except IngestionError as error:
        return in_words(error)
    return "a gap" if isinstance(given, SliceRead) and given.report.gaps else "no error"
