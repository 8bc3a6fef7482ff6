"""Secrets stay secret: in errors, in gaps, in rows, in plans, in logs, and from other hosts."""

from __future__ import annotations

import logging
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from connector_kit.checks.check import CheckObservation, Group, failed, passed
from connector_kit.checks.expectations import describe_fault
from connector_kit.checks.incremental import run
from connector_kit.checks.system import SkippedError
from connector_kit.recording.cassette import Cassette
from connector_kit.recording.faults import Fault, RespondWithStatus
from connector_kit.recording.messages import RecordedRequest, RecordedResponse
from connector_kit.recording.page_faults import PageFault
from connector_kit.recording.proxy import RecordingProxy
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_kit.checks.context import CheckContext, ConnectedSource

GROUP = Group("secrets", "Secrets")


def _need(one: ConnectedSource) -> None:
    if not one.secrets:
        raise SkippedError("the config has no secrets")


@GROUP.check("in-errors", "Credentials that the system echoes do not reach errors or gaps", "I10")
def in_errors(context: CheckContext) -> CheckObservation:
    """Refusals whose body and headers hold the secret, to every method."""
    sent = "refusals that repeat the credentials"
    expected = "errors and gaps without them, in message, facts and cause"
    for status in (400, 401, 403, 404, 429, 500):
        with context.connected(**context.known(max_tries=1)) as one:
            _need(one)
            plan = context.plan(one)
            body = f'{{"error": "bad token {" ".join(one.secrets)}", "errorMessages": ["{one.secrets[0]}"]}}'.encode()
            one.proxy.fault = fault = RespondWithStatus(status, {"X-Why": one.secrets[0]}, body, times=None)
            error_texts = list(_error_texts(one, plan))
            describe_fault(fault)
            if leaks := [f"{seen} in: {line[:80]}" for line in error_texts if (seen := one.sees(line))]:
                return failed(f"{status} with the credentials in it", leaks[0], expected)
    return passed(sent, "none in any", expected)


def _error_texts(one: ConnectedSource, plan: Any) -> Iterator[str]:
    """Everything that errors and gaps say."""
    attempts: list[Callable[[], Any]] = [one.source.test_connection, one.plan, lambda: one.read(plan)]
    for attempt in attempts:
        try:
            given = attempt()
        except IngestionError as error:
            yield from _words(error)
        else:
            if getattr(given, "error", None) is not None:
                yield from _words(given.error)
            yield from getattr(given, "gaps", [])


def _words(error: BaseException | None) -> Iterator[str]:
    while error is not None:
        yield str(error)
        yield repr(error)
        if isinstance(error, IngestionError):
            yield repr(error.to_json())
        error = error.__cause__ or error.__context__


@GROUP.check("in-rows", "Secrets are not in rows, plans, checkpoints or the catalog", "I10")
def in_rows(context: CheckContext) -> CheckObservation:
    """All that a run writes down."""
    with context.connected() as one:
        _need(one)
        catalog, plan = one.source.collect_catalog("checked"), one.plan()
        reading = one.read(plan)
        written = {
            "the catalog": catalog.model_dump_json(),
            "a plan": plan.model_dump_json(),
            "the report of the connection": one.source.test_connection().model_dump_json(),
            "rows": repr(list(reading.rows.values())),
            "reports": repr([read.report for read in reading.slices.values()]),
        }
        if "incremental" in one.unit.supported_modes:
            written["a checkpoint"] = repr(run(one).checkpoint)
        leaks = [f"{seen} in {what}" for what, text in written.items() if (seen := one.sees(text))]
    return CheckObservation(not leaks, f"all of {', '.join(written)}", "; ".join(leaks) or "no secret", "no secret")


@GROUP.check("in-config", "Printing a config does not show its secrets", "I10")
def in_config(context: CheckContext) -> CheckObservation:
    """The config as text and as JSON."""
    with context.connected() as one:
        _need(one)
        texts = {
            "repr": repr(one.config),
            "str": str(one.config),
            "JSON": one.config.model_dump_json(),
            "the source's repr": repr(one.source),
        }
        leaks = [f"{seen} in {what}" for what, text in texts.items() if (seen := one.sees(text))]
    return CheckObservation(not leaks, "the config as text and as JSON", "; ".join(leaks) or "no secret", "no secret")


@GROUP.check("in-logs", "Secrets are not logged at any level", "I10")
def in_logs(context: CheckContext) -> CheckObservation:
    """Everything is read with all loggers open, and one refusal."""
    location, kept = context.system.row_location, _Kept()
    root = logging.getLogger()
    level = root.level
    root.addHandler(kept)
    root.setLevel(logging.DEBUG)
    try:
        with context.connected() as one:
            _need(one)
            plan = context.plan(one)
            body = f"no: {one.secrets[0]}".encode()
            one.proxy.fault = RespondWithStatus(403, body=body, nth=2, **location.request_filter)
            one.read(plan)
            # The loggers of HTTP libraries show what goes over the wire at DEBUG; ours must not.
            lines = [line for name, line in kept.lines if not name.startswith(("httpcore", "httpx"))]
            leaks = [seen for line in lines if (seen := one.sees(line))]
    finally:
        root.removeHandler(kept)
        root.setLevel(level)
    return CheckObservation(not leaks, "a read with all loggers open", f"{len(leaks)} lines with a secret", "none")


class _Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name, record.getMessage()))


@dataclass
class _Listening(Fault):
    """Another host: keeps the headers and addresses it is sent."""

    received_lines: list[str] = field(default_factory=list)

    def instead(self, request: RecordedRequest) -> RecordedResponse | None:
        self.received_lines.append(f"{request.headers} {request.target} {request.body!r}")
        return RecordedResponse(404)


@dataclass
class _NextElsewhere(PageFault):
    """The next page is said to be on another host."""

    elsewhere: str = ""
    _: KW_ONLY
    times: int | None = None

    def _edit(self, request: RecordedRequest, page: Any, rows: list[Any]) -> Any:  # noqa: ARG002 - of all page faults
        self._did(request, "the next page is said to be on another host")
        return self.shape.with_token(page, f"{self.elsewhere}/next") if self.shape.token(page) else page


@GROUP.check("elsewhere", "Credentials are never sent to another host", "I10")
def elsewhere(context: CheckContext) -> CheckObservation:
    """A redirect to another host, then a next page there."""
    location, other = context.system.pages, _Listening()
    sent, expected = "a redirect to another host, and a next page that is there", "no request with credentials there"
    with RecordingProxy(Cassette(), fault=other) as foreign, context.connected(**context.known(max_tries=1)) as one:
        _need(one)
        plan = context.plan(one)
        moved = RespondWithStatus(
            302, {"Location": f"{foreign.url}/next"}, nth=1, times=None, **location.request_filter
        )
        faults: list[Fault] = [moved]
        if location.shape.has_tokens:
            faults.append(_NextElsewhere(location.shape, foreign.url, **location.request_filter))
        for fault in faults:
            one.proxy.fault = fault
            one.read(plan)
        describe_fault(moved)
        leaks = [seen for line in other.received_lines if (seen := one.sees(line))]
    received = f"{len(other.received_lines)} requests came there, {len(leaks)} of them with credentials"
    return CheckObservation(not leaks, sent, received, expected)
