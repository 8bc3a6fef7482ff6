"""Writers of a MariaDB table whose transactions overlap, commit late and out of order, and what they have committed.

As ``tests/exactness/lanes.py`` does for PostgreSQL: acts of one thread, chosen by a seed, and threads that write freely.
"""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from tests.exactness.moving import seeded

if TYPE_CHECKING:
    import random

    from pymysql.connections import Connection

    from sandbox.mariadb import SandboxMariaDb

LATE = "late"
LATE_TABLE = (
    f"CREATE TABLE {LATE} (id bigint PRIMARY KEY, version bigint, changed_at timestamp(6) NOT NULL, turn bigint)",
    f"ALTER TABLE {LATE} ADD KEY (changed_at), ADD KEY (turn)",
    "CREATE SEQUENCE turns",
    f"INSERT INTO {LATE} SELECT seq, 0, NOW(6), NEXTVAL(turns) FROM seq_1_to_60",
)
MOST_ROWS = 400


@dataclass
class MariaDbTransaction:
    """A transaction in progress, or a prepared one: the rows it has locked and the versions it gave them."""

    xa: str | None = None
    early_turn: int | None = None
    writes: dict[int, int] = field(default_factory=dict)


class MariaDbTraffic:
    """Several connections, driven act by act; the counterpart of the one for PostgreSQL.

    Attributes:
        committed: Newest committed version by row id.
        acts: What was done, for the message of a failure.
    """

    def __init__(self, server: SandboxMariaDb, database: str, chance: random.Random, lanes: int = 6) -> None:
        self._server, self._database, self._chance = server, database, chance
        self._connections: list[Connection[Any]] = [server.connect(database) for _ in range(lanes)]
        self._open: dict[int, MariaDbTransaction] = {}
        self._prepared: dict[str, MariaDbTransaction] = {}
        self.committed: dict[int, int] = dict.fromkeys(range(1, 61), 0)
        self._known, self._version = 60, 0
        self.acts: list[str] = []
        self.commits = 0

    def act(self) -> None:
        """One random act of one random lane."""
        if self._prepared and self._chance.random() < 0.06:
            self._end_prepared(self._chance.choice(sorted(self._prepared)))
            return
        lane = self._chance.randrange(len(self._connections))
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
        elif self._open[lane].xa and self._open[lane].writes and draw < ending * 0.6:
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
            self._say(0, f"XA ROLLBACK '{name}'")
        for connection in self._connections:
            connection.close()

    def _begin(self, lane: int) -> None:
        opened = MariaDbTransaction(xa=f"x{len(self.acts)}" if self._chance.random() < 0.4 else None)
        self._say(lane, f"XA START '{opened.xa}'" if opened.xa else "BEGIN")
        if self._chance.random() < 0.4:
            # A value that was taken long before it is written: the transaction has read by then.
            self._say(lane, f"SELECT count(*) FROM {LATE} WHERE id = 1")
            opened.early_turn = int(self._say(lane, "SELECT NEXTVAL(turns)")[0][0])
        self._open[lane] = opened

    def _write(self, lane: int) -> None:
        opened = self._open[lane]
        locked = {row for other in (*self._open.values(), *self._prepared.values()) for row in other.writes}
        own = set(opened.writes)
        self._version += 1
        turn = "NEXTVAL(turns)" if opened.early_turn is None else str(opened.early_turn)
        free = sorted((set(self.committed) - locked) | own)
        if self._known < MOST_ROWS and (not free or self._chance.random() < 0.3):
            self._known += 1
            row = self._known
            self._say(lane, f"INSERT INTO {LATE} VALUES ({row}, {self._version}, NOW(6), {turn})")
        else:
            row = self._chance.choice(free)
            changes = f"version = {self._version}, changed_at = NOW(6), turn = {turn}"
            self._say(lane, f"UPDATE {LATE} SET {changes} WHERE id = {row}")
        opened.writes[row] = self._version

    def _end(self, lane: int, how: str) -> None:
        opened = self._open.pop(lane)
        if opened.xa is None:
            self._say(lane, how)
        else:
            self._say(lane, f"XA END '{opened.xa}'")
            self._say(lane, f"XA COMMIT '{opened.xa}' ONE PHASE" if how == "COMMIT" else f"XA ROLLBACK '{opened.xa}'")
        self._settle(opened, how)

    def _prepare(self, lane: int) -> None:
        """Prepared, and then its connection goes."""
        opened = self._open.pop(lane)
        assert opened.xa is not None
        self._say(lane, f"XA END '{opened.xa}'")
        self._say(lane, f"XA PREPARE '{opened.xa}'")
        self._connections[lane].close()
        self._connections[lane] = self._server.connect(self._database)
        self._prepared[opened.xa] = opened

    def _end_prepared(self, name: str) -> None:
        how = self._chance.choice(("COMMIT", "COMMIT", "ROLLBACK"))
        free = next((lane for lane in range(len(self._connections)) if lane not in self._open), None)
        if free is not None:
            self._say(free, f"XA {how} '{name}'")
            self._settle(self._prepared.pop(name), how)

    def _settle(self, ended: MariaDbTransaction, how: str) -> None:
        if how == "COMMIT":
            self.committed.update(ended.writes)
            self.commits += bool(ended.writes)

    def _say(self, lane: int, sql: str) -> Any:
        self.acts.append(f"{lane}: {sql}")
        with closing(self._connections[lane].cursor()) as cursor:
            cursor.execute(sql)
            return cursor.fetchall()


class MariaDbStream:
    """A thread that writes rows of its own without asking anybody; use as a context."""

    def __init__(self, server: SandboxMariaDb, database: str, lane: int, seed: int) -> None:
        self._server, self._database = server, database
        self._first = 10_000 * lane
        self._chance = seeded(seed)
        self._lock, self._stop = threading.Lock(), threading.Event()
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
            with closing(self._server.connect(self._database)) as connection, closing(connection.cursor()) as cursor:
                while not self._stop.wait(self._chance.random() * 0.01):
                    version += 1
                    self._transaction(cursor, version)
        except Exception as error:
            self._failure = error

    def _transaction(self, cursor: Any, version: int) -> None:
        """Its time is that at which the statement begins, and it sleeps before it writes."""
        row = self._first + self._chance.randrange(40)
        cursor.execute("BEGIN")
        cursor.execute(
            f"INSERT INTO {LATE} SELECT {row}, {version}, NOW(6), s.turn FROM (SELECT NEXTVAL(turns) AS turn, "
            f"SLEEP({self._chance.random() * 0.06:.3f}) AS slept) s ON DUPLICATE KEY UPDATE version = VALUES(version), "
            "changed_at = VALUES(changed_at), turn = VALUES(turn)"
        )
        self._stop.wait(self._chance.random() ** 3 * 0.15)
        cursor.execute("COMMIT")
        with self._lock:
            self._committed[row] = version
