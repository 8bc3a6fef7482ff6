"""Lineage events on their way to a receiver, beside the run: what becomes of them never fails a run, nor holds it up.

Where they go is the library's own configuration (OpenLineage, "Python client"): ``OPENLINEAGE_URL``, a file that
``OPENLINEAGE_CONFIG`` names, ``OPENLINEAGE__TRANSPORT__…``, or ``openlineage.yml`` in the working directory or in
``~/.openlineage``. Without any of these nothing is emitted and the library is not loaded. ``OPENLINEAGE_NAMESPACE`` is
the namespace of jobs, ``nucleus`` when empty.
"""

from __future__ import annotations

import atexit
import logging
import os
import time
from concurrent.futures import Future
from functools import lru_cache
from pathlib import Path
from queue import Full, Queue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from openlineage.client.event_v2 import RunEvent

_log = logging.getLogger(__name__)

MOST_WAITING = 1_000
"""Events that wait for a slow receiver; later ones are lost."""
PATIENCE_S = 5.0
"""A process waits this long in all for events to arrive, and anew once one has arrived."""
AWAY_S = 30.0
"""After an event that did not arrive, others are not tried for this long."""
_SWITCH = "OPENLINEAGE_DISABLED"
_SETTINGS = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG")
_PREFIX = "OPENLINEAGE__TRANSPORT"
_FILES = ("openlineage.yml", "~/.openlineage/openlineage.yml")


class ReceiverAwayError(Exception):
    """The receiver did not take an event a moment ago, so this one was not sent."""


def is_configured() -> bool:
    """True where the environment or a file says where events go."""
    if os.environ.get(_SWITCH, "").strip().lower() == "true":
        return False
    names = (*_SETTINGS, *(name for name in os.environ if name.startswith(_PREFIX)))
    return any(map(os.environ.get, names)) or any(Path(file).expanduser().is_file() for file in _FILES)


def job_namespace() -> str:
    """The namespace of jobs."""
    return os.environ.get("OPENLINEAGE_NAMESPACE") or "nucleus"


class EventPost:
    """Sends events in order, in a thread of its own that no process waits for.

    Args:
        send: Gives one event to the receiver; raises when it does not arrive.
        clock: Seconds that only grow.
    """

    def __init__(self, send: Callable[[Any], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._send, self._clock = send, clock
        self._queue: Queue[tuple[Any, Future[None]]] = Queue(MOST_WAITING)
        self._lock = Lock()
        self._thread: Thread | None = None
        self._away_until = 0.0
        self._patience_s = PATIENCE_S

    def post(self, event: Any) -> Future[None]:
        """Put the event in line; what becomes of it is the future's."""
        outcome: Future[None] = Future()
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._work, name="lineage-events", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait((event, outcome))
        except Full:
            outcome.set_exception(ReceiverAwayError("too many events wait for the receiver"))
        return outcome

    def wait(self, outcomes: Iterable[Future[None]]) -> tuple[Future[None], ...]:
        """Wait as long as there is patience left; those whose event has not arrived."""
        started = self._clock()
        pending = [*outcomes]
        for outcome in pending:
            left = self._patience_s - (self._clock() - started)
            if left <= 0:
                break
            try:
                outcome.exception(timeout=left)
            except TimeoutError:
                break
        arrived = [each for each in pending if each.done() and each.exception() is None]
        self._patience_s = PATIENCE_S if arrived else max(0.0, self._patience_s - (self._clock() - started))
        return tuple(each for each in pending if each not in arrived)

    def drain(self) -> None:
        """Before the process ends: wait for all events in line as long as patience lasts, and say how many are lost."""
        if self.wait([self.post(None)]):
            _log.warning("%d lineage events are lost: their receiver does not answer", self._queue.qsize())

    def _work(self) -> None:
        while True:
            event, outcome = self._queue.get()
            try:
                if event is not None:
                    self._send_unless_away(event)
            except Exception as error:  # noqa: BLE001 - the transport's own, of any class
                outcome.set_exception(error)
            else:
                outcome.set_result(None)

    def _send_unless_away(self, event: Any) -> None:
        if self._clock() < self._away_until:
            raise ReceiverAwayError("an event before it did not arrive")
        try:
            self._send(event)
        except Exception:
            self._away_until = self._clock() + AWAY_S
            raise


class RunEvents:
    """The events of one run, and how many of them did not arrive."""

    def __init__(self, post: EventPost, log: Any = _log) -> None:
        self._post, self._log = post, log
        self._outcomes: list[Future[None]] = []
        self._unmade = 0

    def emit(self, make: Callable[[], RunEvent]) -> None:
        """Make the event and put it in line; an event that cannot be made is counted as lost."""
        try:
            self._outcomes.append(self._post.post(make()))
        except Exception as error:  # noqa: BLE001 - the rows are what counts
            self._unmade += 1
            self._log.warning("A lineage event could not be made: %s: %s", type(error).__name__, error)

    def settle(self, *, is_patient: bool = True) -> int:
        """Say how many events did not arrive, and return it.

        Args:
            is_patient: Wait for those under way, a few seconds at most.
        """
        if is_patient:
            lost = self._post.wait(self._outcomes)
        else:
            lost = tuple(each for each in self._outcomes if each.done() and each.exception() is not None)
        count = len(lost) + self._unmade
        if count:
            unanswered = "it does not answer in time" if lost else "they could not be made"
            why = next((_in_words(each.exception()) for each in lost if each.done()), unanswered)
            total = len(self._outcomes) + self._unmade
            self._log.warning("%d of %d lineage events did not reach their receiver: %s", count, total, why)
        return count


def _in_words(error: BaseException | None) -> str:
    """Class and status: the text of a foreign error may hold the receiver's address with its login."""
    if isinstance(error, ReceiverAwayError):
        return str(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    return type(error).__name__ + (f", status {status}" if status else "")


@lru_cache(maxsize=1)
def process_post() -> EventPost:
    """The post of this process, to the receiver that was configured when it was first asked for."""
    from openlineage.client import OpenLineageClient  # noqa: PLC0415 - only where a receiver is configured

    # The facet would tell of the repository in whose folder the process happens to run.
    client = OpenLineageClient(config={"facets": {"source_code_location": {"disabled": True}}})
    post = EventPost(client.emit)
    atexit.register(post.drain)
    return post
