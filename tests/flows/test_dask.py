"""Slices on the workers of a Dask cluster: equal by content, also after a worker is killed."""

from __future__ import annotations

import os
import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from contracts.errors import RunStoppedError, RunSupersededError
from flows.execution.dask import LostWorkerFuture
from flows.execution.unit_run import attach
from flows.ingest_unit import ingest_unit
from flows.stages.run import SilentObserver
from flows.stages.slices import RunControl
from tests.exactness.executors import PROVE
from tests.flows.conftest import ROWS, SMALL

dask = pytest.importorskip("dask", reason="the extra dask is not installed")
distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.plan import IngestionSlice
    from tests.flows.conftest import RegisteredPair


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Two worker processes on loopback, which inherit where the state is."""
    options: dict[str, Any] = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with distributed.LocalCluster(silence_logs=50, **options) as made:
        yield made


class AfterSlices(SilentObserver):
    """Does something once, when so many slices are in the sink."""

    def __init__(self, slices: int, action: Any) -> None:
        self._left, self._action = slices, action
        self.seen: Counter[str] = Counter()

    def upserted(self, piece: IngestionSlice, receipt: Any) -> None:
        """One more."""
        self.seen[piece.key] += 1
        self._left -= 1
        if self._left == 0:
            self._action()


def worker_pids(cluster: Any) -> list[int]:
    return [worker.pid for worker in cluster.workers.values()]


@pytest.mark.slow(40)
def test_a_worker_that_is_killed_costs_no_row(pair: RegisteredPair, cluster: Any) -> None:
    """Killed with kill -9 while both workers are writing; its slices go to the other one or to its successor."""
    pair.sink_sql("CREATE SCHEMA IF NOT EXISTS nucleus")
    killed: list[int] = []

    def kill() -> None:
        killed.append(worker_pids(cluster)[0])
        os.kill(killed[0], signal.SIGKILL)

    watching = AfterSlices(3, kill)
    options = {"task_runner": "dask", "dask_scheduler": cluster.scheduler_address}
    policy = {**SMALL, "parallel_slices": 4}
    with attach(watching, RunControl()):
        summary = ingest_unit(pair.source_id, "public.orders", pair.sink_id, policy=policy, **options)
    assert killed
    assert pair.same()
    assert summary["rows_inserted"] == ROWS
    assert summary["slices_done"] == len(watching.seen) > 5
    assert set(watching.seen.values()) == {1}, "each slice counts once"
    assert pair.sink_sql("SELECT count(*), count(DISTINCT slice_key) FROM nucleus.receipts") == (
        f"{summary['slices_done']}|{summary['slices_done']}"
    )
    again = ingest_unit(pair.source_id, "public.orders", pair.sink_id, policy=policy, **options)
    assert (again["rows_unchanged"], again["rows_inserted"] + again["rows_updated"]) == (ROWS, 0)


@pytest.mark.slow(20)
@pytest.mark.skipif(not PROVE, reason="starts two processes more; run by `make prove`")
def test_without_a_scheduler_there_is_a_cluster_of_this_machine(
    pair: RegisteredPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUCLEUS_DASK_SCHEDULER", raising=False)
    pair.source_sql("DELETE FROM public.orders WHERE id > 500")
    summary = ingest_unit(
        pair.source_id, "public.orders", pair.sink_id, task_runner="dask", policy={"parallel_slices": 2}
    )
    assert (summary["rows_inserted"], pair.same()) == (500, True)


def test_a_scheduler_that_does_not_answer_is_said(pair: RegisteredPair) -> None:
    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        options = {"task_runner": "dask", "dask_scheduler": "tcp://127.0.0.1:9"}
        state = ingest_unit(pair.source_id, "public.orders", pair.sink_id, return_state=True, **options)
    assert str(state.message).startswith("E_CONFIG_INVALID: ")
    assert "tcp://127.0.0.1:9" in str(state.message)


def test_lost_workers_are_an_error_that_is_tried_again() -> None:
    class Future:
        def __init__(self, error: BaseException) -> None:
            self.error = error

        def result(self) -> None:
            raise self.error

    gone = type("KilledWorker", (Exception,), {})
    with pytest.raises(RunStoppedError, match="KilledWorker"):
        LostWorkerFuture(Future(gone())).result()
    own = RunSupersededError("later", "nothing")
    with pytest.raises(RunSupersededError):
        LostWorkerFuture(Future(own)).result()
