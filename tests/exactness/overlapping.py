"""Writers whose transactions overlap, commit late and out of order, and what they have committed; of any database.

One :class:`OverlappingTraffic` drives several connections from one thread, one small act at a time, all chosen by a
seed: so a failure can be played again, and the acts can fall exactly between two observations of a run.
:class:`FreeStream` writes freely from a thread of its own, for the interleavings nobody thought of.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

from tests.exactness.moving import seeded

if TYPE_CHECKING:
    import random

FIRST_ROWS = 60
"""Rows that the table begins with."""
MOST_ROWS = 400


@dataclass
class OpenTransaction:
    """A transaction in progress, or a prepared one: the rows it has locked and the versions it gave them."""

    name: str | None = None
    """Where a transaction has to be named when it begins."""
    early_turn: int | None = None
    writes: dict[int, int] = field(default_factory=dict)


class OverlappingTraffic(ABC):
    """Several connections, driven act by act.

    Attributes:
        committed: Newest committed version by row id.
        acts: What was done, for the message of a failure.
    """

    table: ClassVar[str]
    next_turn: ClassVar[str]
    """The expression for the next value of the table's sequence."""

    def __init__(self, chance: random.Random, lanes: int) -> None:
        self._chance = chance
        self._connections = [self._connect() for _ in range(lanes)]
        self._open: dict[int, OpenTransaction] = {}
        self._prepared: dict[str, OpenTransaction] = {}
        self.committed: dict[int, int] = dict.fromkeys(range(1, FIRST_ROWS + 1), 0)
        self._known, self._version = FIRST_ROWS, 0
        self.acts: list[str] = []
        self.commits = 0

    @abstractmethod
    def _connect(self) -> Any:
        """A connection in autocommit."""

    @abstractmethod
    def _value(self, cursor: Any) -> Any:
        """The one value of a query."""

    @abstractmethod
    def _begun(self, lane: int) -> OpenTransaction:
        """Begin a transaction."""

    @abstractmethod
    def _moment(self) -> str:
        """The expression for the time of a change."""

    @abstractmethod
    def _is_to_be_prepared(self, opened: OpenTransaction, draw: float, ending: float) -> bool:
        """Whether a transaction that ends for this draw is prepared."""

    @abstractmethod
    def _finish(self, lane: int, opened: OpenTransaction, how: str) -> None:
        """COMMIT or ROLLBACK."""

    @abstractmethod
    def _prepare(self, lane: int, opened: OpenTransaction) -> str:
        """Prepare it; the name by which it is ended."""

    @abstractmethod
    def _finish_prepared(self, lane: int, name: str, how: str) -> None:
        """COMMIT or ROLLBACK a prepared one."""

    def act(self) -> None:
        """One random act of one random lane."""
        if self._prepared and self._chance.random() < 0.06:
            self._end_prepared(self._chance.choice(sorted(self._prepared)))
            return
        lane = self._chance.randrange(len(self._connections))
        if lane not in self._open:
            self._open[lane] = self._begun(lane)
            return
        draw = self._chance.random()
        # Lane 0 keeps its transactions open for long, the others end theirs soon.
        ending = 0.05 if lane == 0 else 0.35
        if draw > ending:
            self._write(lane)
        elif draw < ending * 0.15:
            self._end(lane, "ROLLBACK")
        elif self._open[lane].writes and self._is_to_be_prepared(self._open[lane], draw, ending):
            opened = self._open.pop(lane)
            self._prepared[self._prepare(lane, opened)] = opened
        else:
            self._end(lane, "COMMIT")

    def drain(self) -> None:
        """End everything that is open, in random order."""
        for lane in self._chance.sample(sorted(self._open), len(self._open)):
            self._end(lane, self._chance.choice(("COMMIT", "COMMIT", "ROLLBACK")))
        for name in self._chance.sample(sorted(self._prepared), len(self._prepared)):
            self._end_prepared(name)

    def close(self) -> None:
        """Let go of the connections; nothing is committed."""
        for lane in list(self._open):
            self._end(lane, "ROLLBACK")
        for name in list(self._prepared):
            self._finish_prepared(0, name, "ROLLBACK")
        for connection in self._connections:
            connection.close()

    def _write(self, lane: int) -> None:
        opened = self._open[lane]
        locked = {row for other in (*self._open.values(), *self._prepared.values()) for row in other.writes}
        own = set(opened.writes)
        self._version += 1
        moment = self._moment()
        turn = self.next_turn if opened.early_turn is None else str(opened.early_turn)
        free = sorted((set(self.committed) - locked) | own)
        if self._known < MOST_ROWS and (not free or self._chance.random() < 0.3):
            self._known += 1
            row = self._known
            self._say(lane, f"INSERT INTO {self.table} VALUES ({row}, {self._version}, {moment}, {turn})")
        else:
            row = self._chance.choice(free)
            changes = f"version = {self._version}, changed_at = {moment}, turn = {turn}"
            self._say(lane, f"UPDATE {self.table} SET {changes} WHERE id = {row}")
        opened.writes[row] = self._version

    def _end(self, lane: int, how: str) -> None:
        opened = self._open.pop(lane)
        self._finish(lane, opened, how)
        self._settle(opened, how)

    def _end_prepared(self, name: str) -> None:
        how = self._chance.choice(("COMMIT", "COMMIT", "ROLLBACK"))
        free = next((lane for lane in range(len(self._connections)) if lane not in self._open), None)
        if free is not None:
            self._finish_prepared(free, name, how)
            self._settle(self._prepared.pop(name), how)

    def _settle(self, ended: OpenTransaction, how: str) -> None:
        if how == "COMMIT":
            self.committed.update(ended.writes)
            self.commits += bool(ended.writes)

    def _say(self, lane: int, sql: str) -> None:
        self.acts.append(f"{lane}: {sql}")
        with closing(self._connections[lane].cursor()) as cursor:
            cursor.execute(sql)

    def _ask(self, lane: int, sql: str) -> Any:
        self.acts.append(f"{lane}: {sql}")
        with closing(self._connections[lane].cursor()) as cursor:
            cursor.execute(sql)
            return self._value(cursor)


class FreeStream(ABC):
    """A thread that writes rows of its own without asking anybody; use as a context."""

    def __init__(self, lane: int, seed: int) -> None:
        self._first = 10_000 * lane
        self._chance = seeded(seed)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._committed: dict[int, int] = {}
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

    @abstractmethod
    def _connect(self) -> Any:
        """A connection in autocommit."""

    @abstractmethod
    def _upsert(self, cursor: Any, row: int, version: int) -> None:
        """Write the row inside an open transaction, some time after the moment that it is given was taken."""

    @property
    def committed(self) -> dict[int, int]:
        """Newest committed version by row id: a copy."""
        with self._lock:
            return dict(self._committed)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the open transaction commit, then end."""
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        version = 0
        try:
            with closing(self._connect()) as connection, closing(connection.cursor()) as cursor:
                while not self._stop.wait(self._chance.random() * 0.01):
                    version += 1
                    self._transaction(cursor, version)
        except Exception as error:
            self._failure = error

    def _transaction(self, cursor: Any, version: int) -> None:
        row = self._first + self._chance.randrange(40)
        cursor.execute("BEGIN")
        self._upsert(cursor, row, version)
        self._stop.wait(self._chance.random() ** 3 * 0.15)
        cursor.execute("COMMIT")
        with self._lock:
            self._committed[row] = version
