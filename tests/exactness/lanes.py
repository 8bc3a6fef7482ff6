"""Writers whose transactions overlap, commit late and out of order, and what they have committed.

One :class:`Traffic` drives several connections from one thread, one small act at a time, all chosen by a seed: so a
failure can be played again, and the acts can fall exactly between two observations of a run. :class:`Stream` writes
freely from a thread of its own, for the interleavings nobody thought of.
"""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import polars as pl
from adbc_driver_postgresql import dbapi

from tests.exactness.moving import seeded

if TYPE_CHECKING:
    import random

LATE = "public.late"
LATE_TABLE = f"""
CREATE TABLE {LATE} (
    id bigint PRIMARY KEY, version bigint NOT NULL, changed_at timestamptz NOT NULL, turn bigint NOT NULL
);
CREATE SEQUENCE public.turns;
CREATE INDEX ON {LATE} (changed_at);
CREATE INDEX ON {LATE} (turn);
INSERT INTO {LATE} SELECT i, 0, now(), nextval('public.turns') FROM generate_series(1, 60) i;
ANALYZE {LATE};
"""
MOST_ROWS = 400


@dataclass
class Open:
    """A transaction in progress, or a prepared one: the rows it has locked and the versions it gave them."""

    early_turn: int | None = None
    writes: dict[int, int] = field(default_factory=dict)


class Traffic:
    """Several connections, driven act by act.

    Attributes:
        committed: Newest committed version by row id.
        acts: What was done, for the message of a failure.
    """

    def __init__(self, url: str, chance: random.Random, lanes: int = 6) -> None:
        self._chance = chance
        self._connections = [dbapi.connect(url, autocommit=True) for _ in range(lanes)]
        self._cursors = [connection.cursor() for connection in self._connections]
        self._open: dict[int, Open] = {}
        self._prepared: dict[str, Open] = {}
        self.committed: dict[int, int] = dict.fromkeys(range(1, 61), 0)
        self._known = 60
        self._version = 0
        self.acts: list[str] = []
        self.commits = 0

    def act(self) -> None:
        """One random act of one random lane."""
        if self._prepared and self._chance.random() < 0.06:
            self._end_prepared(self._chance.choice(sorted(self._prepared)))
            return
        lane = self._chance.randrange(len(self._cursors))
        if lane not in self._open:
            self._begin(lane)
            return
        draw = self._chance.random()
        # Lane 0 keeps its transactions open for long, the others end theirs soon.
        ending = 0.05 if lane == 0 else 0.35
        if draw > ending:
            self._write(lane)
        elif draw < ending * 0.15:
            self._end(lane, "ROLLBACK")
        elif draw < ending * 0.35 and self._open[lane].writes:
            self._prepare(lane)
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
            self._say(0, f"ROLLBACK PREPARED '{name}'")
        for cursor, connection in zip(self._cursors, self._connections, strict=True):
            cursor.close()
            connection.close()

    def _begin(self, lane: int) -> None:
        self._say(lane, "BEGIN")
        self._open[lane] = opened = Open()
        if self._chance.random() < 0.4:
            opened.early_turn = self._ask(lane, "SELECT nextval('public.turns')")

    def _write(self, lane: int) -> None:
        opened = self._open[lane]
        locked = {row for other in (*self._open.values(), *self._prepared.values()) for row in other.writes}
        own = set(opened.writes)
        self._version += 1
        moment = self._chance.choice(("now()", "now()", "clock_timestamp()"))
        turn = "nextval('public.turns')" if opened.early_turn is None else str(opened.early_turn)
        free = sorted((set(self.committed) - locked) | own)
        if self._known < MOST_ROWS and (not free or self._chance.random() < 0.3):
            self._known += 1
            row = self._known
            self._say(lane, f"INSERT INTO {LATE} VALUES ({row}, {self._version}, {moment}, {turn})")
        else:
            row = self._chance.choice(free)
            changes = f"version = {self._version}, changed_at = {moment}, turn = {turn}"
            self._say(lane, f"UPDATE {LATE} SET {changes} WHERE id = {row}")
        opened.writes[row] = self._version

    def _end(self, lane: int, how: str) -> None:
        self._say(lane, how)
        self._settle(self._open.pop(lane), how)

    def _prepare(self, lane: int) -> None:
        name = f"prepared {len(self.acts)}"
        self._say(lane, f"PREPARE TRANSACTION '{name}'")
        self._prepared[name] = self._open.pop(lane)

    def _end_prepared(self, name: str) -> None:
        how = self._chance.choice(("COMMIT", "COMMIT", "ROLLBACK"))
        free = next((lane for lane in range(len(self._cursors)) if lane not in self._open), None)
        if free is not None:
            self._say(free, f"{how} PREPARED '{name}'")
            self._settle(self._prepared.pop(name), how)

    def _settle(self, ended: Open, how: str) -> None:
        if how == "COMMIT":
            self.committed.update(ended.writes)
            self.commits += bool(ended.writes)

    def _say(self, lane: int, sql: str) -> None:
        self.acts.append(f"{lane}: {sql}")
        self._cursors[lane].execute(sql)

    def _ask(self, lane: int, sql: str) -> Any:
        self.acts.append(f"{lane}: {sql}")
        self._cursors[lane].execute(sql)
        return pl.DataFrame(self._cursors[lane].fetch_arrow()).item()


class Stream:
    """A thread that writes rows of its own without asking anybody; use as a context."""

    def __init__(self, url: str, lane: int, seed: int) -> None:
        self._url = url
        self._first = 10_000 * lane
        self._chance = seeded(seed)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._committed: dict[int, int] = {}
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._work, daemon=True)

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
            with (
                closing(dbapi.connect(self._url, autocommit=True)) as connection,
                closing(connection.cursor()) as cursor,
            ):
                while not self._stop.wait(self._chance.random() * 0.01):
                    version += 1
                    self._transaction(cursor, version)
        except Exception as error:
            self._failure = error

    def _transaction(self, cursor: dbapi.Cursor, version: int) -> None:
        row = self._first + self._chance.randrange(40)
        cursor.execute("BEGIN")
        self._stop.wait(self._chance.random() * 0.06)
        cursor.execute(
            f"INSERT INTO {LATE} VALUES ({row}, {version}, now(), nextval('public.turns')) ON CONFLICT (id) DO UPDATE "
            "SET version = excluded.version, changed_at = excluded.changed_at, turn = excluded.turn"
        )
        self._stop.wait(self._chance.random() ** 3 * 0.15)
        cursor.execute("COMMIT")
        with self._lock:
            self._committed[row] = version
