"""When a run that a worker took and did not begin is given to another one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from flows.prefect_api.runs import ACCEPTED, Runs
from flows.prefect_api.workers import WORK_POOL, WORKER, is_worker_silent
from metadata_api.orphaned_runs import restart_orphaned_runs

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class ServerOfOneRun:
    """Answers as Prefect does: one run that is pending, and the workers of the pool."""

    def __init__(self, claimed_s: float, labels: dict[str, str], workers: list[dict[str, Any]]) -> None:
        state = {"type": "PENDING", "name": "Pending", "timestamp": (NOW - timedelta(seconds=claimed_s)).isoformat()}
        self.run = {"id": "one", "state": state, "state_type": "PENDING", "labels": labels, "tags": [ACCEPTED]}
        self.workers, self.asked = workers, 0

    def call(self, method: str, path: str, body: Any = None) -> Any:
        if path == "/flow_runs/filter":
            return [self.run] if body["flow_runs"]["state"]["type"]["any_"] == ["PENDING"] else []
        if path == "/work_pools/nucleus/workers/filter":
            self.asked += 1
            return self.workers
        assert (method, path, body["state"]["type"]) == ("POST", "/flow_runs/one/set_state", "SCHEDULED")
        return {"status": "ACCEPT"}


def worker(name: str, silent_s: float, every_s: int | None = 10) -> dict[str, Any]:
    heard_at = (NOW - timedelta(seconds=silent_s)).isoformat()
    return {"name": name, "last_heartbeat_time": heard_at, "heartbeat_interval_seconds": every_s}


TAKEN = {WORKER: "first", WORK_POOL: "nucleus"}


@pytest.mark.parametrize(
    ("claimed_s", "labels", "workers", "restarted"),
    [
        (32, TAKEN, [worker("second", 1), worker("first", 31)], True),
        (32, TAKEN, [worker("second", 1), worker("first", 29)], False),
        (80, TAKEN, [worker("first", 80, None)], False),
        (100, TAKEN, [worker("first", 100, None)], True),
        (14, TAKEN, [worker("first", 300)], False),
        (119, {}, [worker("first", 300)], False),
        (119, TAKEN, [worker("second", 300)], False),
        (121, {}, [], True),
    ],
    ids=["silent", "heard of", "within Prefect's interval", "beyond it", "its process may yet begin", "nobody knows who",
         "forgotten", "too long"],
)  # fmt: skip
def test_a_run_whose_claimer_is_silent_is_given_away(
    claimed_s: float, labels: dict[str, str], workers: list[dict[str, Any]], restarted: bool
) -> None:
    server: Any = ServerOfOneRun(claimed_s, labels, workers)
    got = restart_orphaned_runs(Runs(server), lambda _: False, partial(is_worker_silent, server), NOW)
    assert got == (["one"] if restarted else [])


def test_workers_are_only_asked_for_when_a_run_hangs() -> None:
    server: Any = ServerOfOneRun(5, TAKEN, [])
    restart_orphaned_runs(Runs(server), lambda _: False, partial(is_worker_silent, server), NOW)
    assert server.asked == 0
