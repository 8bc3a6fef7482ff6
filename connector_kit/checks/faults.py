"""Answers that are bad: for a while, or for good."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

from connector_kit.checks.check import Check, CheckObservation, Group, failed, passed
from connector_kit.checks.expectations import describe_error, describe_fault, same_rows, same_rows_or_reported
from connector_kit.checks.observed_keys import listed_keys
from connector_kit.checks.rows import SliceRead
from connector_kit.checks.system import UntriedError
from connector_kit.recording.faults import (
    CorruptBody,
    DelayResponse,
    Fault,
    NeverRespond,
    ResetConnection,
    RespondWithStatus,
    TruncateBody,
)
from contracts.errors import IngestionError
from contracts.traits import SupportsDeleteDetection

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.checks.context import CheckContext, ConnectedSource
    from connector_kit.checks.system import PageLocation
    from connector_kit.recording.messages import RecordedRequest, RecordedResponse
    from connector_kit.recording.proxy import TimelineEntry
    from contracts.plan import IngestionPlan

GROUP = Group("errors", "Faults")
MOST_RETRIES = 200
"""Requests of a read of a system that only fails."""
FAILED = ("E_SOURCE_PAGE_FAILED", "E_SOURCE_UNREACHABLE")
_HTML = b"<!doctype html><title>Sign in</title><p>The service is being mended."
Faults = dict[str, "Callable[[PageLocation, int, int | None], Fault]"]


def _status(status: int) -> Callable[[PageLocation, int, int | None], Fault]:
    return lambda location, nth, times: RespondWithStatus(status, nth=nth, times=times, **location.request_filter)


_WIRE: Faults = {
    "dropped": lambda location, nth, times: ResetConnection(nth=nth, times=times, **location.request_filter),
    "cut": lambda location, nth, times: TruncateBody(nth=nth, times=times, **location.request_filter),
    "corrupt": lambda location, nth, times: CorruptBody(nth=nth, times=times, **location.request_filter),
    "html": lambda location, nth, times: CorruptBody(_HTML, nth=nth, times=times, **location.request_filter),
}
PASSING: Faults = {
    **{str(status): _status(status) for status in (429, 500, 502, 503, 504)},
    **_WIRE,
    "slow": lambda location, nth, times: DelayResponse(0.15, nth=nth, times=times, **location.request_filter),
}
STAYING: Faults = {**{str(status): _status(status) for status in (400, 403, 404, 410, 429, 500, 503)}, **_WIRE}
_TOLD = {"429": FAILED, "500": FAILED, "503": FAILED, **dict.fromkeys(_WIRE, FAILED)}


def _passing(name: str) -> Callable[[CheckContext], CheckObservation]:
    """A check in which the second page is bad twice, then good."""

    def run(context: CheckContext) -> CheckObservation:
        """The second page is bad twice, then good."""
        fault, truth = PASSING[name](context.system.row_location, 2, 2), context.truth
        reading = context.read_with_fault(fault)
        return same_rows(describe_fault(fault), truth, reading)

    return run


def _staying(name: str) -> Callable[[CheckContext], CheckObservation]:
    """A check in which pages stay bad."""

    def run(context: CheckContext) -> CheckObservation:
        """Every page from the first on is bad, then every page from the second on; of the list, and of the rows."""
        system, truth, codes = context.system, context.truth, _TOLD.get(name, ())
        outcome = failed("", "nothing was tried", "")
        for location in dict.fromkeys((system.pages, system.row_location)):
            for nth in (1, 2):
                fault = STAYING[name](location, nth, None)
                reading = context.read_with_fault(fault)
                outcome = same_rows_or_reported(describe_fault(fault), truth, reading, codes)
                if not outcome.passed:
                    return outcome
        return outcome

    return run


GROUP.checks += [
    Check(f"errors.passing-{name}", f"An answer that is bad for a while ({name}) costs no row", "I1", _passing(name))
    for name in PASSING
]
GROUP.checks += [
    Check(f"errors.staying-{name}", f"A response that stays bad ({name}) is reported", "I1 I9", _staying(name))
    for name in STAYING
]


class _EveryThird(Fault):
    """Every third request fails, each time in another way; when it is sent again it is answered."""

    def __init__(self) -> None:
        super().__init__(times=None)
        self._failed = set[tuple[str, str, bytes]]()
        self._faults = (
            RespondWithStatus(429, {"Retry-After": "0"}, times=None),
            RespondWithStatus(503, times=None),
            ResetConnection(times=None),
        )

    def instead(self, request: RecordedRequest) -> RecordedResponse | None:
        picked, sent = self._picks(request), (request.method, request.target, request.body)
        with self._lock:
            if sent in self._failed or not picked or self._seen % 3:
                self._failed.discard(sent)
                return None
            self._failed.add(sent)
        self._did(request, "every third request failed")
        return self._faults[self._seen // 3 % len(self._faults)].instead(request)


@GROUP.check("mixed", "Every third request fails once, also during planning: no row is lost", "I1 I9")
def mixed(context: CheckContext) -> CheckObservation:
    """429, 503 and broken connections in turn, from the plan on."""
    truth, fault = context.truth, _EveryThird()
    with context.connected() as one:
        unit = one.unit
        one.proxy.fault = fault
        reading = one.read(one.source.plan(one.request(unit)))
    return same_rows(describe_fault(fault), truth, reading)


@GROUP.check("timeout", "A system that never responds gives an error in time", "I1")
def timeout(context: CheckContext) -> CheckObservation:
    """The second page hangs; a request may take a third of a second."""
    location, truth = context.system.row_location, context.truth
    fault = NeverRespond(nth=2, times=None, **location.request_filter)
    reading = context.read_with_fault(fault, **context.known(request_timeout_s=0.3, max_tries=2))
    return same_rows_or_reported(describe_fault(fault), truth, reading, FAILED)


@GROUP.check("unreachable", "An unreachable system gives an error with a next step", "I7")
def unreachable(context: CheckContext) -> CheckObservation:
    """Nobody listens."""
    sent, expected = "nobody listens at the address", "E_SOURCE_UNREACHABLE with a next step"
    with context.connected() as one:
        url = one.proxy.url
    source = context.system.factory.source(context.config(url, **context.known(max_tries=2)))
    try:
        source.test_connection()
    except IngestionError as error:
        return CheckObservation(
            error.code == "E_SOURCE_UNREACHABLE" and bool(error.next_step), sent, describe_error(error), expected
        )
    finally:
        source.close()
    return failed(sent, "a connection that works", expected)


@GROUP.check("login", "Rejected credentials give an authentication error from every method", "I7 I1")
def login(context: CheckContext) -> CheckObservation:
    """401 to everything, after the plan was made."""
    sent, expected = "401 to every request", "E_SOURCE_AUTH with a next step from every method"
    with context.connected() as one:
        plan = context.plan(one)
        one.proxy.fault = RespondWithStatus(401, times=None)
        requests = _methods(one, plan)
        for name, ask in requests.items():
            received = _raised(ask)
            if not received.startswith("E_SOURCE_AUTH") or "without a next step" in received:
                return failed(sent, f"{name}: {received}", expected)
    return passed(sent, f"so from {', '.join(requests)}", expected)


@GROUP.check("staying-401", "A login that expires midway is an error, not the end of the list", "I1 I9")
def staying_401(context: CheckContext) -> CheckObservation:
    """401 from the second page on."""
    location, truth = context.system.row_location, context.truth
    fault = RespondWithStatus(401, nth=2, times=None, **location.request_filter)
    reading = context.read_with_fault(fault)
    return same_rows_or_reported(describe_fault(fault), truth, reading, ("E_SOURCE_AUTH",), gap=False)


@GROUP.check("refused", "Every method turns a refusal into a typed error", "I7 I9")
def refused(context: CheckContext) -> CheckObservation:
    """403, then 404, then 400 to every request."""
    expected = "a typed error with a next step from every method; from export, a gap will do"
    for status in (403, 404, 400):
        with context.connected() as one:
            plan = context.plan(one)
            one.proxy.fault = RespondWithStatus(status, times=None)
            for name, ask in _methods(one, plan).items():
                received = _raised(ask)
                reported = received.startswith("E_") or (name == "export" and received == "a gap")
                if not reported or "without a next step" in received:
                    return failed(f"{status} to every request", f"{name}: {received}", expected)
    return passed("403, 404 and 400 to every request", "so from every method", expected)


@GROUP.check("planning", "A plan is not built from refused responses", "I1 I9")
def planning(context: CheckContext) -> CheckObservation:
    """The list is refused while the plan is made."""
    location, truth = context.system.pages, context.truth
    expected = "a typed error with a next step; or a plan whose slices tell, or hold all rows"
    for status in (403, 404, 410, 500):
        sent = f"{status} for the list while the plan is made"
        with context.connected() as one:
            unit = one.unit
            one.proxy.fault = RespondWithStatus(status, times=None, **location.request_filter)
            try:
                plan = one.source.plan(one.request(unit))
            except IngestionError as error:
                if not error.next_step:
                    return failed(sent, describe_error(error), expected)
                continue
            one.proxy.fault = None
            seen = same_rows_or_reported(sent, truth, one.read(plan))
        if not seen.passed:
            return failed(sent, seen.received, expected)
    return passed("the list is refused while the plan is made", "errors, or all rows", expected)


@GROUP.check("keys", "An incomplete list of keys is an error: unlisted rows would be deleted", "I1 I9")
def keys(context: CheckContext) -> CheckObservation:
    """The list of keys is refused, cut or fails from its second page on."""
    location, expected = context.system.pages, "a typed error, or all keys"
    with context.connected() as one:
        plan = context.plan(one)
        whole = listed_keys(one, plan)
        for status in (403, 404, 500, 0):
            fault: Fault = RespondWithStatus(status, nth=2, times=None, **location.request_filter)
            if not status:
                fault = TruncateBody(nth=2, times=None, **location.request_filter)
            one.proxy.fault = fault
            try:
                listed = listed_keys(one, plan)
            except IngestionError as error:
                if not error.next_step:
                    return failed(describe_fault(fault), describe_error(error), expected)
                continue
            if fault.done and listed != whole:
                return failed(describe_fault(fault), f"{len(listed)} of {len(whole)} keys and no error", expected)
    return passed("the list of keys stops after its first page", "a typed error", expected)


def _waits(context: CheckContext, one: ConnectedSource, fault: RespondWithStatus, pause_s: float) -> CheckObservation:
    """Whether the refused request came again as late as was asked, and all rows came; others may be on their way."""
    truth, plan = context.truth, context.plan(one)
    one.proxy.fault = fault
    reading = one.read(plan)
    seen = sorted(one.proxy.requests, key=lambda request: request.began_s)
    refused = next((request for request in seen if request.fault), None)
    if refused is None:
        raise UntriedError("the list has one page")
    later = [request for request in seen if request.began_s > refused.began_s]
    again = next((request for request in later if _asked(request) == _asked(refused)), later[0] if later else None)
    waited = again.began_s - refused.began_s - refused.seconds if again else math.inf
    expected = f"the request again after {pause_s:.1f} s, then the same rows"
    rows = same_rows(describe_fault(fault), truth, reading)
    received = f"it came again after {waited:.2f} s; {rows.received}"
    return CheckObservation(rows.passed and waited >= pause_s - 0.02, describe_fault(fault), received, expected)


def _asked(request: TimelineEntry) -> tuple[object, ...]:
    return request.method, request.path, request.query


@GROUP.check("retry-after", "Retry-After in seconds is obeyed", "I1")
def retry_after(context: CheckContext) -> CheckObservation:
    """429 with a pause of a second."""
    location = context.system.row_location
    fault = RespondWithStatus(429, {"Retry-After": "1"}, nth=2, **location.request_filter)
    with context.connected() as one:
        return _waits(context, one, fault, 1.0)


@GROUP.check("retry-after-date", "Retry-After as a date is obeyed", "I1")
def retry_after_date(context: CheckContext) -> CheckObservation:
    """503 until a moment that is one to two seconds away."""
    location, truth = context.system.row_location, context.truth
    with context.connected() as one:
        plan = context.plan(one)
        until = math.ceil(time.time()) + 1
        date = format_datetime(datetime.fromtimestamp(until, UTC), usegmt=True)
        fault = RespondWithStatus(503, {"Retry-After": date}, nth=1, **location.request_filter)
        one.proxy.fault = fault
        reading = one.read(plan)
        early = until - time.time()
    seen = same_rows(describe_fault(fault), truth, reading)
    expected = "no request before that moment, then the same rows"
    received = f"the read was over {early:.2f} s before it" if early > 0 else seen.received
    return CheckObservation(seen.passed and early <= 0, describe_fault(fault), received, expected)


@GROUP.check("retry-after-long", "A pause longer than the run may last ends it with an error", "I1")
def retry_after_long(context: CheckContext) -> CheckObservation:
    """429 with a pause of a day."""
    location, truth, began = context.system.row_location, context.truth, time.monotonic()
    fault = RespondWithStatus(429, {"Retry-After": "86400"}, nth=2, times=None, **location.request_filter)
    reading = context.read_with_fault(fault, **context.known(max_wait_s=0.2))
    seen = same_rows_or_reported(describe_fault(fault), truth, reading, FAILED)
    return CheckObservation(
        seen.passed, describe_fault(fault), f"{seen.received}, after {time.monotonic() - began:.1f} s", seen.expected
    )


@GROUP.check("retries-end", "Retries end when the system only fails", "I1")
def retries_end(context: CheckContext) -> CheckObservation:
    """500 to everything from the second page on."""
    location = context.system.row_location
    fault = RespondWithStatus(500, nth=2, times=None, **location.request_filter)
    with context.connected() as one:
        plan = context.plan(one)
        one.proxy.fault = fault
        one.allowance, before = 2 * MOST_RETRIES, len(one.proxy.requests)
        reading = one.read(plan)
        requests = len(one.proxy.requests) - before
    expected = f"a typed error after at most {MOST_RETRIES} requests"
    received = f"{requests} requests, {describe_error(reading.error) if reading.error else 'no error'}"
    return CheckObservation(
        reading.error is not None and requests <= MOST_RETRIES, describe_fault(fault), received, expected
    )


def _methods(one: ConnectedSource, plan: IngestionPlan) -> dict[str, Callable[[], object]]:
    """Everything that asks the system, by name."""
    requests: dict[str, Callable[[], object]] = {
        "test_connection": one.source.test_connection,
        "collect_catalog": lambda: one.source.collect_catalog("checked"),
        "plan": lambda: one.source.plan(one.request(plan.unit)),
        "export": lambda: one.slice(plan, plan.slices[-1]),
        "preview": lambda: one.source.preview(plan.unit, 3),
    }
    if isinstance(one.source, SupportsDeleteDetection):
        requests["export_keys"] = lambda: listed_keys(one, plan)
    return requests


def _raised(ask: Callable[[], object]) -> str:
    try:
        given = ask()
    except IngestionError as error:
        return describe_error(error)
    return "a gap" if isinstance(given, SliceRead) and given.report.gaps else "no error"
