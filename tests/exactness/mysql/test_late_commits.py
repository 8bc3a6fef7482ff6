"""Proof of I1 for cursors of MariaDB: no row is lost to a transaction that commits late, as for PostgreSQL.

Statements stamp rows with the time they began, or with a sequence value that their transaction took long before; they
sleep before they write, commit in random order, roll back, or are prepared (XA), lose their connection and are
committed by another one. Acts also fall between the observations of a running plan.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from connectors.mysql import watermark
from connectors.sql import planner
from connectors.sql.settled import CursorObservation, Watermark
from tests.connectors.mysql.moving import DATABASE, MariaDbIngestion
from tests.exactness.executors import PROVE
from tests.exactness.moving import seeded
from tests.exactness.mysql.lanes import LATE, LATE_TABLE, MariaDbStream, MariaDbTraffic

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.mariadb import SandboxMariaDb

ROUNDS = 255 if PROVE else 8
"""For each of two kinds of cursor, 500 together under `make prove`."""
NAIVE_ROUNDS = 60


@pytest.fixture
def moving(mariadb: SandboxMariaDb, database: str) -> Iterator[MariaDbIngestion]:
    """Runs of the table that is written."""
    mariadb.create_database(DATABASE)
    with MariaDbIngestion(mariadb, database) as made:
        made.write(*LATE_TABLE)
        yield made
    mariadb.drop_database(DATABASE)


class MariaDbRounds:
    """Incremental runs of a MariaDB table under traffic, each one checked."""

    def __init__(self, moving: MariaDbIngestion, cursor: str, seed: int) -> None:
        self.moving, self.cursor, self.chance = moving, cursor, seeded(seed)
        self.traffic = MariaDbTraffic(moving.server, DATABASE, self.chance)
        self.asked = moving.request(LATE, "incremental", cursor_columns=(cursor,))
        self.reread = 0

    def meddle(self) -> None:
        """A few acts, or none."""
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            self.traffic.act()

    def run(self) -> Any:
        """One run from the checkpoint of the one before."""
        checkpoint = self.moving.checkpoints.get(self.asked.ref.unit_id)
        return self.moving.execute(self.asked.model_copy(update={"checkpoint": checkpoint}))

    def round(self, streams: Sequence[MariaDbStream] = ()) -> dict[int, tuple[int, int]]:
        """Acts, a run, and the rows it lost: id -> (committed before it began, found in the sink)."""
        for _ in range(self.chance.randint(6, 16)):
            self.traffic.act()
        wanted = dict(self.traffic.committed)
        for stream in streams:
            wanted.update(stream.committed)
        self.reread += self.run().rows_unchanged
        found = dict(self.moving.query(f'SELECT id, version FROM "{DATABASE}".{LATE}'))
        return {row: (version, found.get(row, -1)) for row, version in wanted.items() if found.get(row, -1) < version}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("cursor", "seed"), [("changed_at", 1), ("turn", 2)])
def test_no_row_is_lost(moving: MariaDbIngestion, monkeypatch: pytest.MonkeyPatch, cursor: str, seed: int) -> None:
    """Every round; then, when all is quiet, both sides are equal and only ties are read again."""
    rounds = MariaDbRounds(moving, cursor, seed)
    _meddle_between_observations(monkeypatch, rounds)
    with ExitStack() as stack:
        stack.callback(rounds.traffic.close)
        with ExitStack() as writing:
            lanes = [MariaDbStream(moving.server, DATABASE, lane, seed * 10 + lane) for lane in (1, 2)]
            streams = [writing.enter_context(lane) for lane in lanes]
            for number in range(ROUNDS):
                lost = rounds.round(streams)
                assert not lost, f"seed {seed}, round {number}: lost {lost}; {rounds.traffic.acts[-200:]}"
        monkeypatch.undo()
        rounds.traffic.drain()
        rounds.run()
        assert moving.equal(LATE)
        for _ in range(3):
            summary = rounds.run()
        settled = Watermark.model_validate(summary.checkpoint_after)
        (ties,) = moving.write(f"SELECT count(*) FROM {LATE} WHERE {cursor} >= '{settled.settled}'")
        assert not settled.pending
        assert summary.rows_read == summary.rows_unchanged == ties[0] <= 10
    print(f"\n{cursor}: {ROUNDS} rounds, {rounds.traffic.commits} commits, {rounds.reread} rows read again, 0 lost")


@pytest.mark.parametrize(("cursor", "seed"), [("turn", 4)])
def test_a_naive_watermark_loses_rows(
    moving: MariaDbIngestion, monkeypatch: pytest.MonkeyPatch, cursor: str, seed: int
) -> None:
    """The test above can fail: with a watermark that settles what it has seen at once, the same traffic loses rows."""

    def naive(before: Watermark, reached: str | None, ordered: Sequence[str], seen: CursorObservation) -> Watermark:
        return Watermark(columns=before.columns, scope=before.scope, settled=reached)

    monkeypatch.setattr(planner, "advanced", naive)
    rounds = MariaDbRounds(moving, cursor, seed)
    with ExitStack() as stack:
        stack.callback(rounds.traffic.close)
        lost = next((found for found in (rounds.round() for _ in range(NAIVE_ROUNDS)) if found), {})
    assert lost, f"seed {seed}: {NAIVE_ROUNDS} rounds lost nothing: the traffic is too tame"


def test_a_prepared_transaction_without_a_connection_is_awaited(moving: MariaDbIngestion) -> None:
    """Nobody holds it any more, and its rows are of old."""
    rounds = MariaDbRounds(moving, "turn", 5)
    rounds.traffic.close()
    with closing(moving.server.connect(DATABASE)) as connection, closing(connection.cursor()) as cursor:
        turn = moving.write("SELECT NEXTVAL(turns)")[0][0]
        cursor.execute("XA START 'awaited'")
        cursor.execute(f"UPDATE {LATE} SET version = 2, turn = {turn} WHERE id = 2")
        moving.write(f"UPDATE {LATE} SET version = 1, turn = NEXTVAL(turns) WHERE id = 1")
        rounds.run()
        cursor.execute("XA END 'awaited'")
        cursor.execute("XA PREPARE 'awaited'")
    rounds.run()
    rounds.run()
    moving.write("XA COMMIT 'awaited'")
    rounds.run()
    assert moving.query(f'SELECT version FROM "{DATABASE}".{LATE} WHERE id = 2') == [(2,)]
    assert not Watermark.model_validate(rounds.run().checkpoint_after).pending


def test_a_list_that_somebody_else_keeps_old_is_not_believed(moving: MariaDbIngestion) -> None:
    """A monitor that polls ``innodb_trx`` keeps the server from renewing it: a writer that began since is not in it."""
    rounds = MariaDbRounds(moving, "turn", 6)
    rounds.traffic.close()
    stop = threading.Event()

    def poll() -> None:
        with closing(moving.server.connect()) as connection, closing(connection.cursor()) as cursor:
            while not stop.wait(0.02):
                cursor.execute("SELECT count(*) FROM information_schema.innodb_trx")

    monitor = threading.Thread(target=poll)
    monitor.start()
    try:
        time.sleep(0.1)  # from now on the list is old
        with closing(moving.server.connect(DATABASE)) as connection, closing(connection.cursor()) as cursor:
            turn = moving.write("SELECT NEXTVAL(turns)")[0][0]
            cursor.execute("BEGIN")
            cursor.execute(f"UPDATE {LATE} SET version = 2, turn = {turn} WHERE id = 2")
            moving.write(f"UPDATE {LATE} SET version = 1, turn = NEXTVAL(turns) WHERE id = 1")
            first = Watermark.model_validate(rounds.run().checkpoint_after)
            cursor.execute("COMMIT")
        rounds.run()
    finally:
        stop.set()
        monitor.join()
    assert first.settled is None
    assert moving.query(f'SELECT version FROM "{DATABASE}".{LATE} WHERE id = 2') == [(2,)]


def _meddle_between_observations(monkeypatch: pytest.MonkeyPatch, rounds: MariaDbRounds) -> None:
    """Writers also act right before and right after each of the questions of which a look is made."""
    for name in ("_statements", "_status", "_transactions"):
        looking = getattr(watermark, name)

        def meddled(*args: Any, looking: Any = looking) -> Any:
            rounds.meddle()
            seen = looking(*args)
            rounds.meddle()
            return seen

        monkeypatch.setattr(watermark, name, meddled)
