"""Proof of I1 for cursors: no row is lost to a transaction that commits late, whatever order commits come in.

Transactions stamp rows with the time they began (``now()``), with the time of writing, or with a sequence value they
took long before they write; they commit in random order, roll back, or are prepared and committed later by another
session. Acts also fall between the observations of a running plan. After every incremental run each row that was
committed before the run began is in the sink in that version or a newer one.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest
from adbc_driver_postgresql import dbapi

from connectors.postgres import planner, watermark
from connectors.postgres.config import PostgresConfig
from connectors.postgres.source import PostgresSource
from connectors.sql.settled import Watermark
from contracts.unit import UnitPolicy
from sandbox.postgres import SandboxPostgres
from tests.exactness.executors import PROVE, short_on_threads
from tests.exactness.lanes import LATE, LATE_TABLE, Stream, Traffic
from tests.exactness.moving import Mover, Pair, drop_pair, new_pair, seeded
from tests.exactness.proof.planted import naive_watermark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.postgres.client import PostgresClient
    from connectors.postgres.session import Session
    from tests.exactness.executors import ExecutorName

ROUNDS: dict[ExecutorName, int] = {"threads": 255 if PROVE else 40, "prefect": 255 if PROVE else 10}
"""For each of two kinds of cursor, 500 together under `make prove`; on Prefect a round costs half a second."""
NAIVE_ROUNDS = 120


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxPostgres]:
    """A server that allows prepared transactions."""
    with SandboxPostgres(settings={"max_prepared_transactions": "64"}) as running:
        yield running


class Kept:
    """Connections that are given back instead of closed: a round then costs statements and not log-ins.

    Stands before ``connect`` of one client; whatever a holder had (a view, the run lock) ends as if it had closed.
    """

    def __init__(self, client: PostgresClient, ending: str) -> None:
        self._connect, self._ending = client.connect, ending
        self._idle: list[Session] = []
        client.connect = self.connect  # type: ignore[method-assign]

    def connect(self) -> Session:
        """One that is idle, or a new one."""
        if self._idle:
            return self._idle.pop()
        session = self._connect()
        session.close = lambda: self._give_back(session)  # type: ignore[method-assign]
        return session

    def _give_back(self, session: Session) -> None:
        session.execute(self._ending)
        self._idle.append(session)

    def close(self) -> None:
        """Close for good."""
        for session in self._idle:
            type(session).close(session)


class Rounds:
    """Incremental runs of the table under traffic, each one checked."""

    def __init__(self, pair: Pair, cursor: str, seed: int) -> None:
        pair.policy = UnitPolicy(cursor_columns=(cursor,))
        self.seed = seed
        self.cursor = cursor
        self.pair = pair
        self.chance = seeded(seed)
        self.mover = Mover(pair, table=LATE)
        self.kept = [
            Kept(self.mover.source._client, "ROLLBACK"),
            Kept(self.mover.sink._client, "SELECT pg_advisory_unlock_all()"),
        ]
        self.traffic = Traffic(pair.source_url, self.chance)
        self.rounds = 0
        self.reread = 0

    def meddle(self) -> None:
        """A few acts, or none."""
        for _ in range(self.chance.choice((0, 0, 1, 2))):
            self.traffic.act()

    def round(self, streams: Sequence[Stream] = ()) -> dict[int, tuple[int, int]]:
        """Acts, a run, and the rows it lost: id -> (committed before it began, found in the sink)."""
        for _ in range(self.chance.randint(2, 10)):
            self.traffic.act()
        wanted = dict(self.traffic.committed)
        for stream in streams:
            wanted.update(stream.committed)
        self.reread += self.mover.run("incremental").rows_unchanged
        self.rounds += 1
        found = self._in_sink()
        return {row: (version, found.get(row, -1)) for row, version in wanted.items() if found.get(row, -1) < version}

    def close(self) -> None:
        """End all connections."""
        self.traffic.close()
        self.mover.close()
        for kept in self.kept:
            kept.close()

    def _in_sink(self) -> dict[int, int]:
        with self.mover.sink._client.session() as session:
            return dict(session.rows(f"SELECT id, version FROM {LATE}"))


@pytest.fixture
def pair(server: SandboxPostgres, executor: ExecutorName) -> Iterator[Pair]:
    """Two databases with the table that is written."""
    made = new_pair(server, rows=1, executor=executor)
    made.write(LATE_TABLE)
    yield made
    drop_pair(made)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("cursor", "seed"), [("changed_at", 1), ("turn", 2)])
def test_no_row_is_lost(pair: Pair, monkeypatch: pytest.MonkeyPatch, cursor: str, seed: int) -> None:
    """Every round; then, when all is quiet, both sides are equal and only ties are read again."""
    rounds = Rounds(pair, cursor, seed)
    _meddle_between_observations(monkeypatch, rounds)
    with ExitStack() as stack:
        stack.callback(rounds.close)
        with ExitStack() as writing:
            streams = [writing.enter_context(Stream(pair.source_url, lane, seed * 10 + lane)) for lane in (1, 2)]
            for number in range(ROUNDS[pair.executor]):
                lost = rounds.round(streams)
                assert not lost, f"seed {seed}, round {number}: lost {lost}; {rounds.traffic.acts[-200:]}"
        monkeypatch.undo()
        rounds.traffic.drain()
        rounds.mover.run("incremental")
        query = f"SELECT * FROM {LATE} ORDER BY id"
        assert pair.write(query) == pair.look(query), f"seed {seed}"
        summary = rounds.mover.run("incremental")
        settled = Watermark.model_validate(summary.checkpoint_after)
        ties = int(pair.write(f"SELECT count(*) FROM {LATE} WHERE {cursor} >= '{settled.settled}'"))
        assert not settled.pending
        assert summary.rows_read == summary.rows_unchanged == ties <= 10
    assert rounds.rounds >= ROUNDS[pair.executor]
    print(
        f"\n{cursor}: {rounds.rounds} rounds, {rounds.traffic.commits} commits, {rounds.reread} rows read again, 0 lost"
    )


@short_on_threads
@pytest.mark.parametrize("prepared_when", ["before it is seen", "after it was seen"])
def test_a_prepared_transaction_is_awaited(pair: Pair, prepared_when: str) -> None:
    """It has no virtual id and, when it is the newest, no place in a snapshot either; and its ``now()`` is old.

    After it was seen as a virtual id it vanishes from the list of those, without having ended.
    """
    pair.policy = UnitPolicy(cursor_columns=("changed_at",))
    mover = Mover(pair, table=LATE)
    mover.run("incremental")
    with closing(dbapi.connect(pair.source_url, autocommit=True)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("BEGIN")
        pair.write(f"UPDATE {LATE} SET version = 1, changed_at = clock_timestamp() WHERE id = 1")
        if prepared_when == "after it was seen":
            mover.run("incremental")
        cursor.execute(f"UPDATE {LATE} SET version = 2, changed_at = now() WHERE id = 2")
        cursor.execute("PREPARE TRANSACTION 'awaited'")
        mover.run("incremental")
        mover.run("incremental")
        cursor.execute("COMMIT PREPARED 'awaited'")
    mover.run("incremental")
    assert pair.look(f"SELECT version FROM {LATE} WHERE id = 2") == "2"
    mover.run("incremental")
    assert not Watermark.model_validate(mover.checkpoint).pending
    mover.close()


@short_on_threads
@pytest.mark.parametrize("seen", ["by the writer's own role", "by a stranger"])
def test_a_transaction_that_inherits_its_time_is_awaited(pair: Pair, seen: str) -> None:
    """Two transactions in one message: the second has the ``now()`` of the first and a virtual id of its own."""
    pair.policy = UnitPolicy(cursor_columns=("changed_at",))
    role = None
    if seen == "by a stranger":
        role = "stranger"
        pair.write(f"DROP ROLE IF EXISTS stranger; CREATE ROLE stranger; GRANT SELECT ON {LATE} TO stranger")
    config = PostgresConfig.model_validate({"url": pair.source_url, "role": role})
    mover = Mover(pair, source=PostgresSource(config), table=LATE)
    mover.run("incremental")
    message = f"""BEGIN; SELECT pg_advisory_lock_shared(1); COMMIT;
        BEGIN; SELECT pg_advisory_lock_shared(2); UPDATE {LATE} SET version = 7, changed_at = now() WHERE id = 2; COMMIT"""
    with ExitStack() as stack:
        # Closed in this order, the gate first: a writer that still waits goes on, and is waited for.
        command = [str(pair.server.bin("psql")), "-Xqc", message, "-d", pair.source_url]
        gate = dbapi.connect(pair.source_url, autocommit=True)
        cursor = gate.cursor()
        cursor.execute("SELECT pg_advisory_lock(1) IS NULL AS one, pg_advisory_lock(2) IS NULL AS two")
        writer = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        stack.enter_context(closing(gate))
        stack.enter_context(closing(cursor))
        _until(pair, "count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 1")
        pair.write(f"UPDATE {LATE} SET version = 1, changed_at = clock_timestamp() WHERE id = 1")
        mover.run("incremental")
        cursor.execute("SELECT pg_advisory_unlock(1)")
        _until(pair, "count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = 2")
        mover.run("incremental")
        mover.run("incremental")
        cursor.execute("SELECT pg_advisory_unlock(2)")
    assert writer.wait(20) == 0
    mover.run("incremental")
    assert pair.look(f"SELECT version FROM {LATE} WHERE id = 2") == "7"
    mover.run("incremental")
    assert not Watermark.model_validate(mover.checkpoint).pending
    mover.close()


@pytest.mark.parametrize("executor", ["threads"], indirect=True)
@pytest.mark.parametrize(("cursor", "seed"), [("changed_at", 3), ("turn", 4)])
def test_a_naive_watermark_loses_rows(pair: Pair, monkeypatch: pytest.MonkeyPatch, cursor: str, seed: int) -> None:
    """The test above can fail: with a watermark that settles what it has seen at once, the same traffic loses rows."""
    monkeypatch.setattr(planner, "advanced", naive_watermark)
    rounds = Rounds(pair, cursor, seed)
    with ExitStack() as stack:
        stack.callback(rounds.close)
        lost = next((found for found in (rounds.round() for _ in range(NAIVE_ROUNDS)) if found), {})
    print(f"\n{cursor}: the naive watermark loses a row in round {rounds.rounds}")
    assert lost, f"seed {seed}: {NAIVE_ROUNDS} rounds lost nothing: the traffic is too tame"


def _until(pair: Pair, condition: str) -> None:
    deadline = time.monotonic() + 20
    while pair.write(f"SELECT {condition}") != "t":
        assert time.monotonic() < deadline, condition
        time.sleep(0.02)


def _meddle_between_observations(monkeypatch: pytest.MonkeyPatch, rounds: Rounds) -> None:
    """Writers also act right before and right after a run looks at who is in the middle of a transaction."""
    looking = watermark._virtual_ids

    def meddled(session: Any) -> dict[str, int | None]:
        rounds.meddle()
        seen = looking(session)
        rounds.meddle()
        return seen

    monkeypatch.setattr(watermark, "_virtual_ids", meddled)
