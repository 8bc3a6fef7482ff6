"""Walks whose source is a table of a database; the sink is a table or files."""

from __future__ import annotations

from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from adbc_driver_postgresql import dbapi

from tests.exactness.chain import Chain
from tests.exactness.lake.warehouses import WarehousePair
from tests.exactness.moving import TABLE
from tests.exactness.proof.walk import Walk
from tests.exactness.tables.pairs import MariaDbPair, SqlitePair
from tests.exactness.worker import BOUNDARIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from contracts.unit import IngestionMode
    from sandbox.postgres import SandboxPostgres
    from tests.exactness.moving import Pair
    from tests.exactness.processes import RunProcess

_FULL_DISK_BYTES = (2_000, 60_000, 120_000)
_LATE_ROW = 900_000
LATE_COMMIT = "transaction open while a run ends"


class TableWalk(Walk):
    """Over one pair.

    Args:
        place: For the report.
        pair: From where to where; both servers of PostgreSQL are this walk's own, because they crash.
        mode: How the unit is read.
        folder: For staging and the checkpoint.
        seed: Of every draw.
        restart_prefect: Kills and starts the server of Prefect that the pair's flow runs use; None on threads.
    """

    def __init__(
        self,
        place: str,
        pair: Pair,
        mode: IngestionMode,
        folder: Path,
        seed: int,
        restart_prefect: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(place, seed)
        self._pair, self._mode = pair, mode
        self._chain = Chain(pair, mode, folder, seed)
        self._restart_prefect = restart_prefect
        self._late = _LATE_ROW
        is_slow = pair.executor == "prefect" or isinstance(pair, WarehousePair)
        self.longest_s = 1.4 if is_slow else 0.4

    def kinds(self) -> Mapping[str, Callable[[], bool]]:
        """What can fail here."""
        pair, is_lake = self._pair, isinstance(self._pair, WarehousePair)
        kinds = {
            "run killed at a random moment": self.killed,
            "run killed at a boundary": self._killed_at_boundary,
            "two runs at once, one killed": self.two_at_once,
            "disk full": self._disk_full,
            "staged file damaged": self._staged_file_damaged,
            "connections cut": partial(self.meets, self._cut),
        }
        if not isinstance(pair, MariaDbPair | SqlitePair):
            kinds["source's database crashed"] = partial(self.meets, partial(crash, pair.server))
        if not is_lake:
            kinds["sink's database crashed"] = partial(self.meets, partial(crash, pair.sink_server))
            kinds["run asleep while another does its work"] = partial(self.slept_through, self._cut)
        if self._mode == "incremental":
            kinds["row dated a day ahead"] = self._dated_ahead
        if self._mode == "incremental" and not isinstance(pair, SqlitePair):  # that has one writer at a time
            kinds[LATE_COMMIT] = self._late_commit
        if self._restart_prefect is not None:
            kinds["Prefect's server killed"] = partial(self.meets, self._restart_prefect)
        return kinds

    def start(self) -> RunProcess:
        """The pair's run."""
        return self._chain.start()

    def recover(self) -> None:
        """Undisturbed, and then row for row."""
        try:
            self.succeeded(self._chain.run_to_end())
        except AssertionError as error:
            self.tally.broken.append(str(error))
        self.tally.compare(*self._pair.both())

    def disturb(self) -> None:
        """Rows that are new, changed, moved and deleted, as the mode promises to notice them."""
        self._chain.disturb()

    def killed(self) -> bool:
        """Looks at what it left, too."""
        before = self._chain.state()
        if not super().killed():
            return False
        self._chain.after_kill(before)
        return True

    def _killed_at_boundary(self) -> bool:
        boundary = self.chance.choice([name for name in BOUNDARIES if self._mode == "full" or "census" not in name])
        return self._chain.kill_if_passed(f"{boundary}:{self.chance.choice((1, 1, 2))}")

    def _disk_full(self) -> bool:
        process = self.ready(self._chain.start(file_bytes=self.chance.choice(_FULL_DISK_BYTES)))
        return self.ended(process) != 0

    def _staged_file_damaged(self) -> bool:
        if not self._chain.kill_if_passed("session-sealed:2"):
            return False
        return bool(self._chain.damage_sealed())

    def _late_commit(self) -> bool:
        """A row written before the run's watermark and committed after the run: the next one must bring it."""
        self._late += 1
        row = f"INSERT INTO {TABLE} (id, note, changed_at) VALUES ({self._late}, 'committed late', {self._pair.now})"
        with open_transaction(self._pair, row):
            self.disturb()  # rows with greater values of the cursor are there before this one
            return self.ended(self.ready(self.start())) == 0

    def _dated_ahead(self) -> bool:
        """The clock of whoever writes is wrong: rows after it must not be passed over."""
        self._late += 1
        ahead = {
            "clock_timestamp()": "clock_timestamp() + interval '1 day'",
            "NOW(6)": "NOW(6) + INTERVAL 1 DAY",
        }.get(self._pair.now, "strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 day')")
        self._pair.write(f"INSERT INTO {TABLE} (id, note, changed_at) VALUES ({self._late}, 'of tomorrow', {ahead})")
        return True

    def _cut(self) -> int:
        return cut_lines(self._pair)


def crash(server: SandboxPostgres) -> None:
    """The server ends without a shutdown, and is started again."""
    server.restart("immediate")


def cut_lines(pair: Pair) -> int:
    """End every connection to both databases but our own; how many."""
    ended = 0
    if isinstance(pair, MariaDbPair):
        assert pair.mariadb is not None
        found = pair.mariadb.run(f"SELECT id FROM information_schema.processlist WHERE db = '{pair.source}'")
        for (number,) in found:
            with suppress(Exception):  # it has ended by itself
                pair.mariadb.run(f"KILL {number}")
                ended += 1
    elif not isinstance(pair, SqlitePair):
        ended += cut_lines_of(pair.server, pair.source)
    if not isinstance(pair, WarehousePair):
        ended += cut_lines_of(pair.sink_server, pair.sink)
    return ended


def cut_lines_of(server: SandboxPostgres, database: str) -> int:
    """End every connection to that database; how many."""
    ended = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'"
    return int(server.psql(ended))


@contextmanager
def open_transaction(pair: Pair, statement: str) -> Iterator[None]:
    """The statement has run and is not committed while the context is open."""
    if isinstance(pair, MariaDbPair):
        assert pair.mariadb is not None
        with closing(pair.mariadb.connect(pair.source)) as writer:
            writer.begin()
            with writer.cursor() as cursor:
                cursor.execute("SET time_zone = '+00:00'")
                cursor.execute(statement)
            yield
            writer.commit()
    else:
        with dbapi.connect(pair.source_url) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            yield
            connection.commit()
