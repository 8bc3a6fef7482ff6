"""Proof of I11: one run at a time; and when the lock fails, the epoch is the fence: an overtaken run writes nothing."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from contracts.errors import RunInProgressError, RunSupersededError
from flows.stages.run import SilentObserver
from sandbox.faults import CuttableTcp
from tests.exactness.chain import Chain
from tests.exactness.moving import (
    FEW,
    Mover,
    Pair,
    assert_equal,
    drop_pair,
    new_pair,
    open_sink,
)
from tests.exactness.worker import fuse_upserts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from connectors.postgres.sink import PostgresSink
    from contracts.receipts import RunSummary
    from flows.stages.run import RunObserver
    from sandbox.postgres import SandboxPostgres
    from tests.exactness.executors import ExecutorName

_PATIENCE_S = 90.0


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
def pair(postgres: SandboxPostgres, executor: ExecutorName) -> Iterator[Pair]:
    """Two databases."""
    made = new_pair(postgres, rows=FEW, executor=executor)
    if executor == "prefect":
        made.register()
    yield made
    drop_pair(made)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for runs side by side."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_the_second_of_two_runs_is_refused(pair: Pair, pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    """While one process runs, another process and another endpoint in this process both get E_RUN_IN_PROGRESS."""
    gate, mover, other = Gate("upserted"), Mover(pair), Mover(pair)
    first = _submit(pool, mover, gate)
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
def test_an_overtaken_run_writes_nothing(pair: Pair, pool: ThreadPoolExecutor, place: str, fresh: bool) -> None:
    """The old run loses its lock and not its other connections. A new run begins; the old one wakes up and must end.

    Its last act may be in the middle of a slice's transaction, with rows copied and the receipt not yet filed: then
    the new run waits for the same keys, the old one meets the fence and rolls back, and the new one goes on.
    """
    gate = Gate(place)
    with ExitStack() as stack, _losable_lock(pair, gate) as (sink, tcp):
        old, new = Mover(pair, sink=sink), Mover(pair)
        stack.callback(old.close)
        stack.callback(new.close)
        stack.callback(gate.opened_now.set)
        overtaken = _submit(pool, old, gate)
        assert gate.arrived.wait(_PATIENCE_S)
        assert tcp.cut() == 1
        _await_free_lock(new)
        newer = _submit(pool, new, fresh=fresh)
        if place == "within-upsert":
            _await_waiting(pair)
            after = None
        else:
            newer.result(_PATIENCE_S)
            after = pair.both(), pair.receipts()
        gate.opened_now.set()
        with pytest.raises(RunSupersededError):
            overtaken.result(_PATIENCE_S)
        assert newer.result(_PATIENCE_S).epoch == 2
        assert after in (None, (pair.both(), pair.receipts()))
    assert_equal(pair, "none")


def _submit(
    pool: ThreadPoolExecutor, mover: Mover, observer: RunObserver | None = None, *, fresh: bool = False
) -> Future[RunSummary]:
    """A full run on another thread. Prefect keeps the server in use in a context variable, which threads do not inherit:
    without it the run would start a server of its own."""
    return pool.submit(copy_context().run, partial(mover.run, "full", observer, fresh=fresh))


@contextmanager
def _losable_lock(pair: Pair, gate: Gate) -> Iterator[tuple[PostgresSink, CuttableTcp]]:
    """A sink whose run lock alone goes through a cuttable line, and whose upserts pass the gate."""
    with CuttableTcp(pair.sink_server.port) as tcp:
        direct = pair.sink_server.url(pair.sink)
        lock_keeper = open_sink(direct.replace(f":{pair.sink_server.port}/", f":{tcp.port}/"))
        sink = fuse_upserts(open_sink(pair.sink_url), gate)
        sink.exclusive = lock_keeper.exclusive  # type: ignore[method-assign]
        yield sink, tcp


def _await_free_lock(mover: Mover) -> None:
    """The server has read the end of the lock's connection."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(RunInProgressError), mover.sink.exclusive(mover.pair.ref):
            return
        time.sleep(0.02)
    pytest.fail("the run lock outlives its connection")


def _await_waiting(pair: Pair) -> None:
    """The new run's slices wait for the old transaction's keys."""
    deadline = time.monotonic() + _PATIENCE_S
    waiting = (
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while pair.look(waiting) != "t":
        assert time.monotonic() < deadline, "nobody waits"
        time.sleep(0.02)
