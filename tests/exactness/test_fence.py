"""Proof of I11: one run at a time; and when the lock fails, the epoch is the fence: an overtaken run writes nothing."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from contracts.errors import RunInProgressError, RunSupersededError
from flows.stages.run import SilentObserver, UnitRun
from sandbox.faults import CuttableTcp
from tests.exactness.chain import Chain
from tests.exactness.moving import (
    Mover,
    Pair,
    assert_equal,
    drop_pair,
    new_pair,
    open_sink,
    open_source,
    request_of,
)
from tests.exactness.worker import FusedReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connectors.postgres.sink import PostgresSink
    from contracts.endpoint import SinkEndpoint
    from sandbox.postgres import SandboxPostgres

_PATIENCE_S = 30.0


class Gate(SilentObserver):
    """Stops a run at a place until it is opened; tells when the run has arrived. Also a fuse: see ``worker``."""

    def __init__(self, place: str, passes: int = 2) -> None:
        self._place, self._passes = place, passes
        self._lock = threading.Lock()
        self.arrived, self.opened_now = threading.Event(), threading.Event()

    def at(self, place: str) -> None:
        """Pass a few times, then wait."""
        if place != self._place:
            return
        with self._lock:
            self._passes -= 1
            wait = self._passes < 0
        if wait:
            self.arrived.set()
            assert self.opened_now.wait(_PATIENCE_S)

    def staged(self, piece: Any, receipt: Any) -> None:
        """A slice is in staging and not yet in the sink."""
        self.at("staged")

    def upserted(self, piece: Any, receipt: Any) -> None:
        """A slice is in the sink."""
        self.at("upserted")


@pytest.fixture
def pair(postgres: SandboxPostgres) -> Iterator[Pair]:
    """Two databases."""
    made = new_pair(postgres)
    yield made
    drop_pair(made)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for runs side by side."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_the_second_of_two_runs_is_refused(pair: Pair, pool: ThreadPoolExecutor, tmp_path: Path):
    """While one process runs, another process and another endpoint in this process both get E_RUN_IN_PROGRESS."""
    gate, mover, other = Gate("upserted"), Mover(pair), Mover(pair)
    first = pool.submit(mover.run, "full", gate)
    assert gate.arrived.wait(_PATIENCE_S)
    with pytest.raises(RunInProgressError):
        other.run()
    assert Chain(pair, "full", tmp_path, 0).refused()["code"] == "E_RUN_IN_PROGRESS"
    gate.opened_now.set()
    assert first.result().epoch == 1
    assert_equal(pair, "none")
    assert other.run().epoch == 2
    mover.close()
    other.close()


@pytest.mark.parametrize("fresh", [False, True], ids=["continued", "planned anew"])
@pytest.mark.parametrize("place", ["staged", "upserted", "within-upsert"])
def test_an_overtaken_run_writes_nothing(pair: Pair, pool: ThreadPoolExecutor, place: str, fresh: bool):
    """The old run loses its lock and not its other connections. A new run begins; the old one wakes up and must end.

    Its last act may be in the middle of a slice's transaction, with rows copied and the receipt not yet filed: then
    the new run waits for the same keys, the old one meets the fence and rolls back, and the new one goes on.
    """
    gate = Gate(place)
    with ExitStack() as stack, _losable_lock(pair, gate) as (sink, tcp):
        old_source, new_source, new_sink = open_source(pair.source_url), open_source(pair.source_url), open_sink(pair.sink_url)
        for endpoint in (sink, old_source, new_source, new_sink):
            stack.callback(endpoint.close)
        stack.callback(gate.opened_now.set)
        old = pool.submit(_run, pair, old_source, sink, gate)
        assert gate.arrived.wait(_PATIENCE_S)
        assert tcp.cut() == 1
        _await_free_lock(pair)
        if place == "within-upsert":
            new = pool.submit(_run, pair, new_source, new_sink, SilentObserver(), fresh=fresh)
            _await_waiting(pair)
            after = None
        else:
            new = _done(_run(pair, new_source, new_sink, SilentObserver(), fresh=fresh))
            after = pair.both(), pair.receipts()
        gate.opened_now.set()
        with pytest.raises(RunSupersededError):
            old.result(_PATIENCE_S)
        assert new.result(_PATIENCE_S).epoch == 2
        assert after in (None, (pair.both(), pair.receipts()))
    assert_equal(pair, "none")


def _run(pair: Pair, source: Any, sink: SinkEndpoint, observer: Any, *, fresh: bool = False) -> Any:
    mover = Mover(pair, source=source, sink=sink)  # type: ignore[arg-type]
    request = request_of(mover.unit, pair.policy).model_copy(update={"fresh": fresh})
    return UnitRun(source, sink, mover.staging, request, observer=observer).execute()


def _done(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


@contextmanager
def _losable_lock(pair: Pair, gate: Gate) -> Iterator[tuple[PostgresSink, CuttableTcp]]:
    """A sink whose run lock alone goes through a cuttable line, and whose upserts pass the gate."""
    with CuttableTcp(pair.sink_server.port) as tcp:
        direct = pair.sink_server.url(pair.sink)
        lock_keeper = open_sink(direct.replace(f":{pair.sink_server.port}/", f":{tcp.port}/"))
        sink = open_sink(pair.sink_url)
        upsert = sink.upsert
        sink.exclusive = lock_keeper.exclusive  # type: ignore[method-assign]
        sink.upsert = lambda run, plan, piece, reader: upsert(run, plan, piece, FusedReader(reader, gate))  # type: ignore
        yield sink, tcp


def _await_free_lock(pair: Pair) -> None:
    _await(pair, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted", "0")


def _await_waiting(pair: Pair) -> None:
    """The new run's slices wait for the old transaction's keys."""
    _await(pair, "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted", "t")


def _await(pair: Pair, question: str, answer: str) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    scoped = question.replace("FROM pg_locks WHERE", "FROM pg_locks WHERE pid IN (SELECT pid FROM pg_stat_activity \
        WHERE datname = current_database()) AND")
    while pair.look(scoped) != answer:
        assert time.monotonic() < deadline, question
        time.sleep(0.02)
