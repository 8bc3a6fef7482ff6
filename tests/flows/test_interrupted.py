"""Killed, failed and cancelled runs: run again, they go on with the slices that are left."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from contracts.receipts import RunHandle, RunSummary
from flows.execution.artifacts import key_of
from flows.ingest_unit import ingest_unit
from tests.architecture.rooms import ROOT
from tests.flows.conftest import ROWS, SMALL

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair

MORE_ROWS = 16_000
PROGRAM = "from flows.ingest_unit import ingest_unit; ingest_unit(*{!r}, policy={!r})"


@pytest.fixture
def long(pair: RegisteredPair) -> RegisteredPair:
    """The pair with enough slices to be met in the middle."""
    pair.source_sql(
        "INSERT INTO public.orders"
        f" SELECT g, repeat('x', 200) FROM generate_series({ROWS + 1}, {ROWS + MORE_ROWS}) g; ANALYZE"
    )
    return pair


def receipts(pair: RegisteredPair, workspace: Workspace) -> int:
    sink = workspace.sink(pair.sink_id)
    last = sink.last_run(pair.ref)
    if last is None:
        return 0
    return len(sink.receipts(RunHandle(ref=pair.ref, run_id=last.run_id, epoch=last.epoch)))


def until(what: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return found


def state_of(plane: ControlPlane, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = plane.call("GET", f"/flow_runs/{run_id}")["state"]
    return found


def start(plane: ControlPlane, pair: RegisteredPair, policy: dict[str, Any]) -> str:
    deployment = plane.call("GET", "/deployments/name/ingest-unit/ingest-unit")["id"]
    parameters = {**pair.ref.model_dump(), "policy": policy}
    made = plane.call("POST", f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})
    return str(made["id"])


def test_killed_then_run_again(long: RegisteredPair, workspace: Workspace) -> None:
    program = PROGRAM.format((long.source_id, "public.orders", long.sink_id), SMALL)
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.DEVNULL) as victim:
        try:
            until(lambda: receipts(long, workspace) >= 5)
        finally:
            victim.kill()
    before = receipts(long, workspace)
    assert workspace.states.state(long.ref).state == "RUNNING"

    again = RunSummary.model_validate(ingest_unit(long.source_id, "public.orders", long.sink_id, policy=SMALL))
    assert again.resumed
    assert again.slices_done_before == before
    assert again.slices_done_before + again.slices_done == again.slices_planned
    assert again.slices_done > 0
    assert long.same()


def test_failed_run_is_retried_through_the_api(pair: RegisteredPair, workspace: Workspace, plane: ControlPlane) -> None:
    pair.sink_sql(
        "CREATE TABLE public.orders"
        f" (id bigint PRIMARY KEY CHECK (id <= {ROWS // 2}), note text, at timestamptz NOT NULL)"
    )
    run_id = start(plane, pair, SMALL)
    until(lambda: state_of(plane, run_id)["type"] == "FAILED")
    message = state_of(plane, run_id)["message"]
    told = workspace.states.state(pair.ref)
    assert (told.state, told.last_error and message.startswith(f"{told.last_error['code']}: ")) == ("FAILED", True)
    _it_is_told_in_one_sentence(plane, pair, run_id, message)
    before = receipts(pair, workspace)
    assert before > 0

    pair.sink_sql("ALTER TABLE public.orders DROP CONSTRAINT orders_id_check")
    plane.call("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}})
    until(lambda: state_of(plane, run_id)["type"] == "COMPLETED")
    stats = workspace.states.state(pair.ref).stats
    assert (stats["resumed"], stats["slices_done_before"]) == (True, before)
    assert pair.same()


def _it_is_told_in_one_sentence(plane: ControlPlane, pair: RegisteredPair, run_id: str, message: str) -> None:
    """As the run's page shows it: the failure is an error of the log and an artifact, and there is no traceback."""
    wanted = {"logs": {"flow_run_id": {"any_": [run_id]}}, "limit": 200}
    lines = until(lambda: [line for line in plane.call("POST", "/logs/filter", wanted) if line["message"] == message])
    assert {line["level"] for line in lines} == {logging.ERROR}, "of the slice's task, and of the run"
    assert not [line for line in plane.call("POST", "/logs/filter", wanted) if "Traceback" in line["message"]]
    summary = plane.call("GET", f"/artifacts/{key_of('summary', pair.ref)}/latest")["data"]
    code, _, sentence = message.partition(": ")
    assert f"**Failed, `{code}`:**" in summary
    assert "**Next:** " in summary
    assert sentence.endswith(summary.partition("**Next:** ")[2].splitlines()[0])


def test_cancelled_run_ends_cleanly(long: RegisteredPair, workspace: Workspace, plane: ControlPlane) -> None:
    run_id = start(plane, long, {**SMALL, "parallel_slices": 1})
    until(lambda: receipts(long, workspace) >= 5)
    plane.call("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    until(lambda: state_of(plane, run_id)["type"] == "CANCELLED")
    told = until(lambda: (s := workspace.states.state(long.ref)).state == "FAILED" and s)
    assert told.last_error is not None
    assert "Run it again" in told.last_error["hint"]
    before = receipts(long, workspace)
    assert long.sink_sql("SELECT count(*) FROM public.orders").strip() != str(ROWS + MORE_ROWS)

    again = RunSummary.model_validate(ingest_unit(long.source_id, "public.orders", long.sink_id, policy=SMALL))
    assert (again.resumed, again.slices_done_before) == (True, before)
    assert long.same()
