"""Faults that are injected into responses. Those of pages are in :mod:`connector_kit.recording.page_faults`.

Every fault selects responses (``nth``, ``times``, ``path``, ``method``) and records in words what it did (``done``).
"""

from __future__ import annotations

import threading
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING

from connector_kit.recording.messages import NO_RESPONSE, RecordedRequest, RecordedResponse

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Fault:
    """Does nothing; the choice of answers that all faults share. One instance serves one proxy. Safe between threads.

    Attributes:
        nth: The first matching response that is changed, counted from 1.
        times: So many in a row; None: all from there on.
        path: Part of the request's path; all paths when empty.
        method: Only this method.
    """

    _: KW_ONLY
    nth: int = 1
    times: int | None = 1
    path: str = ""
    method: str | None = None
    _done: list[str] = field(default_factory=list, init=False, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)
    _seen: int = field(default=0, init=False, repr=False)

    def pause_s(self, request: RecordedRequest) -> float | None:  # noqa: ARG002 - for those that wait
        """Seconds to wait before the request goes on; None: for ever."""
        return 0.0

    def instead(self, request: RecordedRequest) -> RecordedResponse | None:  # noqa: ARG002 - for those that answer themselves
        """An answer that the system is not asked for."""
        return None

    def edited(self, request: RecordedRequest, answer: RecordedResponse) -> RecordedResponse:  # noqa: ARG002 - for those that change answers
        """The answer the client gets."""
        return answer

    @property
    def done(self) -> list[str]:
        """What was done to which request, in words."""
        with self._lock:
            return list(self._done)

    def _picks(self, request: RecordedRequest) -> bool:
        """Count the request if it fits; whether it is one to fault."""
        if self.path not in request.path or self.method not in {None, request.method}:
            return False
        with self._lock:
            self._seen += 1
            return self.nth <= self._seen and (self.times is None or self._seen < self.nth + self.times)

    def _did(self, request: RecordedRequest, what: str) -> None:
        request.notes.append(what)
        with self._lock:
            self._done.append(f"{request.shown or request.method}: {what}")


@dataclass
class RespondWithStatus(Fault):
    """Answered with a status, and the system is not asked."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"error":"refused on purpose"}'

    def instead(self, request: RecordedRequest) -> RecordedResponse | None:
        """The status."""
        if not self._picks(request):
            return None
        extra = "".join(f", {name}: {value}" for name, value in self.headers.items())
        self._did(request, f"answered {self.status}{extra}")
        return RecordedResponse(self.status, (("Content-Type", "application/json"), *self.headers.items()), self.body)


@dataclass
class DelayResponse(Fault):
    """The answer comes late."""

    seconds: float

    def pause_s(self, request: RecordedRequest) -> float | None:
        """The delay."""
        if not self._picks(request):
            return 0.0
        self._did(request, f"waited {self.seconds:g} s")
        return self.seconds


@dataclass
class NeverRespond(Fault):
    """No answer ever: the connection stays open until the client gives up or the proxy ends."""

    def pause_s(self, request: RecordedRequest) -> float | None:
        """For ever."""
        if not self._picks(request):
            return 0.0
        self._did(request, "never answered")
        return None


@dataclass
class ResetConnection(Fault):
    """The connection is reset without an answer."""

    def instead(self, request: RecordedRequest) -> RecordedResponse | None:
        """Nothing."""
        if not self._picks(request):
            return None
        self._did(request, "reset the connection without an answer")
        return NO_RESPONSE


@dataclass
class TruncateBody(Fault):
    """The connection is reset in the middle of the body.

    Attributes:
        after_bytes: So much of the body comes through; half of it when None.
    """

    after_bytes: int | None = None

    def edited(self, request: RecordedRequest, answer: RecordedResponse) -> RecordedResponse:
        """The answer with the place where it breaks."""
        if not answer.body or not self._picks(request):
            return answer
        at = min(len(answer.body) // 2 if self.after_bytes is None else self.after_bytes, len(answer.body) - 1)
        self._did(request, f"reset the connection after {at} of {len(answer.body)} bytes of the body")
        return replace(answer, cut_at=at)


@dataclass
class CorruptBody(Fault):
    """The body is something else, framed as whole.

    Attributes:
        body: The new body; half of the old one and a byte that no text holds when None.
    """

    body: bytes | None = None

    def edited(self, request: RecordedRequest, answer: RecordedResponse) -> RecordedResponse:
        """The answer with the other body."""
        if not self._picks(request):
            return answer
        body = answer.body[: len(answer.body) // 2] + b"\xff" if self.body is None else self.body
        self._did(
            request, f"sent a corrupt body of {len(body)} bytes instead of {len(answer.body)}, status {answer.status}"
        )
        return replace(answer, body=body)


@dataclass
class ShiftServerClock(Fault):
    """The server's clock is wrong: the Date header of every answer is moved.

    Attributes:
        offset_s: Seconds; negative when the server's clock is behind.
    """

    offset_s: float
    _: KW_ONLY
    times: int | None = None

    def edited(self, request: RecordedRequest, answer: RecordedResponse) -> RecordedResponse:
        """The answer with another Date."""
        if not self._picks(request):
            return answer
        given = answer.header("Date")
        true = parsedate_to_datetime(given) if given else datetime.now(UTC)
        date_header = format_datetime((true + timedelta(seconds=self.offset_s)).astimezone(UTC), usegmt=True)
        self._did(request, f"the Date header says {date_header}, {self.offset_s:+g} s from the truth")
        return replace(answer, headers=answer.with_header("Date", date_header))


class AllFaults(Fault):
    """Several faults at once, in this order. Each chooses for itself."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__()
        self.faults = faults

    @property
    def done(self) -> list[str]:
        """What each did."""
        return [one for fault in self.faults for one in fault.done]

    def pause_s(self, request: RecordedRequest) -> float | None:
        """All pauses together."""
        pauses = [fault.pause_s(request) for fault in self.faults]
        return None if None in pauses else sum(pause or 0.0 for pause in pauses)

    def instead(self, request: RecordedRequest) -> RecordedResponse | None:
        """The first that answers."""
        return next((found for fault in self.faults if (found := fault.instead(request)) is not None), None)

    def edited(self, request: RecordedRequest, answer: RecordedResponse) -> RecordedResponse:
        """One after the other."""
        for fault in self.faults:
            answer = fault.edited(request, answer)
        return answer
