"""Changes of the sink's tables, schemas and types: each waits for its locks a bounded time.

A change needs a lock that every reader of the table stands in the way of, and while it waits, all who come later wait
behind it. So it gives up soon, lets them pass, and tries again a few times; then it says who was in the way.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from contracts.errors import IngestionError, SinkLockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connectors.postgres.client import PostgresClient
    from connectors.postgres.session import Session

ResultT = TypeVar("ResultT")

LOCK_TIMEOUT_S = 5.0
"""How long one try waits for a lock."""
TRIES = 4
PAUSE_S = 1.0
"""Between two tries; who waited behind the change gets its turn."""
QUEUE_TIMEOUT_S = 60.0
"""How long one try waits for another change of ours; nobody else waits behind it."""

_LOCK_NOT_AVAILABLE = "55P03"


class Blockers(NamedTuple):
    """Who is in a change's way.

    Attributes:
        relation: What the change waits for, where that is a table; qualified.
        pids: Server processes that hold it, or are before us in the queue; 0 is a prepared transaction.
    """

    relation: str
    pids: tuple[int, ...]


def change(client: PostgresClient, what: str, work: Callable[[Session], ResultT]) -> ResultT:
    """Do ``work`` in a transaction of its own, one change of ours at a time: two units may need the same new schema.

    Args:
        client: Of the sink.
        what: The table that is changed, for the message.
        work: Executes the statements. It is repeated from its beginning when a lock was not to be had.

    Raises:
        SinkLockedError: Somebody held a lock all the time; nothing was changed.
    """
    with _watching(client) as watch:
        for tries in range(1, TRIES + 1):
            try:
                with client.session() as session, session.transaction():
                    watch.pid = int(session.value("SELECT pg_backend_pid()::bigint AS pid"))
                    _set_timeout(session, QUEUE_TIMEOUT_S)
                    session.rows("SELECT pg_advisory_xact_lock(hashtextextended('nucleus provision', 1))::text AS l")
                    _set_timeout(session, LOCK_TIMEOUT_S)
                    return work(session)
            except IngestionError as error:
                if error.facts.get("sqlstate") != _LOCK_NOT_AVAILABLE:
                    raise
                if tries == TRIES:
                    raise _locked(what, watch.seen) from error
            time.sleep(PAUSE_S)
    raise AssertionError("the last try returns or raises")


def _set_timeout(session: Session, seconds: float) -> None:
    session.execute(f"SET LOCAL lock_timeout = {int(seconds * 1000)}", "setting a lock timeout")


def _locked(what: str, blockers: Blockers) -> SinkLockedError:
    pids = ", ".join(str(pid) if pid else "a prepared transaction" for pid in blockers.pids)
    holder = f"{'process' if len(blockers.pids) == 1 else 'processes'} {pids}" if pids else "another session"
    relation = blockers.relation or what
    return SinkLockedError(
        f"Changing {what} waited {TRIES} times {LOCK_TIMEOUT_S:g} s for {relation}, which is locked by {holder}",
        "Let that end (pg_stat_activity shows what it does), then run again; nothing was changed.",
        relation=relation,
        blocking_pids=list(blockers.pids),
    )


class _Watch:
    """Asks, over a connection of its own, who blocks a session: that one cannot ask while it waits.

    Attributes:
        pid: The server process of the session; None before there is one.
        seen: Who was in its way when last it waited.
    """

    def __init__(self, client: PostgresClient) -> None:
        self._client = client
        self._over = threading.Event()
        self.pid: int | None = None
        self.seen = Blockers("", ())

    def run(self) -> None:
        """Look until it is over; most changes are over before the first look, and cost no connection."""
        if self._over.wait(LOCK_TIMEOUT_S / 5):
            return
        with suppress(IngestionError):  # what it sees only adds to a message
            asking = self._client.connect()
            try:
                self._look(asking)
                while not self._over.wait(LOCK_TIMEOUT_S / 5):
                    self._look(asking)
            finally:
                asking.close()

    def end(self) -> None:
        """Stop looking."""
        self._over.set()

    def _look(self, asking: Session) -> None:
        if self.pid is None:
            return
        pids, relation = asking.rows(
            f"SELECT array_to_string(pg_blocking_pids({self.pid}), ',') AS pids, (SELECT relation::regclass::text "
            f"FROM pg_catalog.pg_locks WHERE pid = {self.pid} AND NOT granted AND relation IS NOT NULL LIMIT 1) AS r",
            "asking who blocks a change",
        )[0]
        if pids:
            self.seen = Blockers(relation or "", tuple(sorted({int(pid) for pid in pids.split(",")})))


@contextmanager
def _watching(client: PostgresClient) -> Iterator[_Watch]:
    watch = _Watch(client)
    thread = threading.Thread(target=watch.run, name="nucleus-lock-watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()
