"""An endpoint whose units are carried out by workers: one run for each unit, whatever happens to the run that waits."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING, Any, cast

import psutil
import pytest

from contracts.errors import ControlPlaneError, RunError
from contracts.receipts import RunRef
from contracts.unit import UnitConfig, UnitPolicy
from flows.execution import worker_runs
from flows.execution.worker_runs import EndedRun, WorkerRuns
from flows.ingest_unit import ingest_unit
from flows.prefect_api.runs import ACCEPTED, ENDED, Run
from tests.flows.conftest import NAP, SMALL
from tests.metadata_api.conftest import until, wait_for_end

if TYPE_CHECKING:
    from flows.local.control_plane import LocalControlPlane
    from flows.prefect_api.client import ControlPlane
    from flows.prefect_api.runs import Runs
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair

REF = RunRef(endpoint_id="shop", unit_id="public.t", sink_id="lake")


@pytest.fixture
def slow_pair(pair: RegisteredPair, workspace: Workspace) -> RegisteredPair:
    """Its orders take eight seconds from now on: sixteen slices, one after the other, each with a nap."""
    policy = UnitPolicy(**SMALL, parallel_slices=1)
    workspace.units.configure(UnitConfig(endpoint_id=pair.source_id, unit_id="public.orders", policy=policy))
    ingest_unit(pair.source_id, "public.orders", pair.sink_id)
    pair.sink_sql(NAP)
    return pair


@pytest.mark.slow(25)
def test_the_run_that_waits_is_killed_and_run_again(
    control_plane: LocalControlPlane, pair: RegisteredPair, plane: ControlPlane, workspace: Workspace
) -> None:
    pair.source_sql("CREATE TABLE public.bad (id int PRIMARY KEY)")
    pair.sink_sql("CREATE TABLE public.bad (id point)")
    workspace.catalogs.save(workspace.source(pair.source_id).collect_catalog(pair.source_id))
    parameters = {"endpoint_id": pair.source_id, "sink_id": pair.sink_id, "carried_out_by": "workers"}
    parent = workspace.runs.start("ingest-endpoint/ingest-endpoint", parameters, key=pair.source_id)

    def children() -> dict[str, list[dict[str, Any]]]:
        every = plane.call("POST", "/flow_runs/filter", {"flows": {"name": {"any_": ["ingest-unit"]}}})
        mine = [each for each in every if each["parameters"]["endpoint_id"] == pair.source_id]
        return {
            unit: [one for one in mine if one["parameters"]["unit_id"] == unit]
            for unit in ("public.bad", "public.orders")
        }

    (orders,) = until(lambda: children()["public.orders"])
    until(lambda: pair.sink_sql("SELECT to_regclass('nucleus.receipts') IS NOT NULL").strip() == "t")
    pair.sink_sql(NAP)
    wait_for_end(until(lambda: children()["public.bad"])[0]["id"])
    process_of(control_plane, parent.run_id).kill()
    wait_for_end(parent.run_id)
    pair.sink_sql("DROP TABLE IF EXISTS public.bad")

    def has_succeeded_at_last() -> bool:
        """Retried as the UI does, again where the worker's second report of the crash has overwritten the retry."""
        state = plane.call("GET", f"/flow_runs/{parent.run_id}")["state_type"]
        if state == "CRASHED":
            again = {"state": {"type": "SCHEDULED", "name": "AwaitingRetry"}}
            plane.call("POST", f"/flow_runs/{parent.run_id}/set_state", again)
        return bool(state == "COMPLETED")

    until(has_succeeded_at_last, timeout_s=120)
    assert pair.same()
    begun = children()
    assert [each["id"] for each in begun["public.orders"]] == [orders["id"]], "the one that was begun is followed"
    assert sorted(each["state_type"] for each in begun["public.bad"]) == ["COMPLETED", "FAILED"]
    assert orders["parent_task_run_id"], "Prefect shows it under the run that waits"
    shown = plane.call("GET", f"/artifacts/units-{pair.source_id}-{pair.sink_id}/latest")
    assert f'"rows_read": {workspace.states.state(pair.ref).stats["rows_read"]}' in shown["data"]


@pytest.mark.slow(20)
def test_the_run_that_waits_is_cancelled_with_what_it_began(
    slow_pair: RegisteredPair, plane: ControlPlane, workspace: Workspace
) -> None:
    pair = slow_pair
    parameters = {"endpoint_id": pair.source_id, "sink_id": pair.sink_id, "carried_out_by": "workers"}
    parent = workspace.runs.start("ingest-endpoint/ingest-endpoint", parameters, key=pair.source_id)

    def at_work() -> list[Run]:
        return [run for run in workspace.runs.find(("RUNNING",)) if run.parameters["endpoint_id"] == pair.source_id]

    (child,) = until(at_work)
    workspace.runs.cancel(parent._replace(state="RUNNING"))
    for run_id in (parent.run_id, child.run_id):
        wait_for_end(run_id)
        assert plane.call("GET", f"/flow_runs/{run_id}")["state_type"] == "CANCELLED"


def process_of(control_plane: LocalControlPlane, run_id: str) -> psutil.Process:
    """The process in which a worker carries out the flow run."""
    every = psutil.Process(control_plane.pids["worker"]).children(recursive=True)
    (found,) = [
        each
        for each in every
        if each.environ().get("PREFECT__FLOW_RUN_ID", "").replace("-", "") == run_id.replace("-", "")
    ]
    return found


class ScriptedRuns:
    """Runs whose states are written down: one list for each key, one state for each look."""

    def __init__(self, *scripts: list[str]) -> None:
        self._scripts = {str(number): [*script] for number, script in enumerate(scripts, 1)}
        self._keys: dict[str, str] = {}
        self.cancelled: list[str] = []
        self.refused: set[str] = set()

    def start(self, deployment: str, parameters: Any, *, key: str, **more: Any) -> Run:
        wanted = {**REF.model_dump(), "unit_id": parameters["unit_id"], "mode": "full"}
        assert (deployment, parameters) == ("ingest-unit/ingest-unit", wanted)
        assert (more["tags"], more["under"]) == ((ACCEPTED,), "parent")
        return self.get(self._keys.setdefault(key, str(len(self._keys) + 1)))

    def get(self, run_id: str) -> Run:
        script = self._scripts[run_id]
        state = script.pop(0) if len(script) > 1 else script[0]
        message = "E_SOURCE_AUTH: The login was refused. Correct it." if state == "FAILED" else ""
        return _run(run_id, "CANCELLED" if run_id in self.cancelled else state, message)

    def cancel(self, run: Run) -> None:
        if run.run_id in self.refused:
            raise ControlPlaneError("The server is away", "Start it.")
        self.cancelled.append(run.run_id)


def _run(run_id: str, state: str, message: str) -> Run:
    now = datetime.now(UTC)
    return Run(run_id, state, state.capitalize(), "", message, now, 1, {}, {}, (), now, now if state in ENDED else None)


def follow(runs: ScriptedRuns, executions: int = 1) -> EndedRun:
    return WorkerRuns(cast("Runs", runs), "parent", executions).run(REF, {"mode": "full", "staging_id": None})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_runs, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(worker_runs, "LONGEST_PAUSE_S", 0.001)


def test_it_waits_for_the_end() -> None:
    assert follow(ScriptedRuns(["SCHEDULED", "PENDING", "RUNNING", "COMPLETED"])) == EndedRun("1", "", "")
    failed = follow(ScriptedRuns(["RUNNING", "FAILED"]))
    assert failed == EndedRun("1", "E_SOURCE_AUTH", "The login was refused. Correct it.")
    assert follow(ScriptedRuns(["CANCELLED"])).code == "E_RUN_STOPPED"


def test_a_run_whose_worker_died_may_be_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert follow(ScriptedRuns(["RUNNING", "CRASHED", "CRASHED", "SCHEDULED", "RUNNING", "COMPLETED"])).code == ""
    monkeypatch.setattr(worker_runs, "REVIVED_WITHIN_S", 0.01)
    assert follow(ScriptedRuns(["RUNNING", "CRASHED"])).code == "E_RUN_STOPPED"


@pytest.mark.parametrize(
    ("before", "followed"),
    [(["COMPLETED"], "1"), (["RUNNING", "COMPLETED"], "1"), (["FAILED"], "2"), (["CRASHED"], "2")],
)
def test_only_what_failed_is_begun_again(before: list[str], followed: str) -> None:
    assert follow(ScriptedRuns(before, ["RUNNING", "COMPLETED"]), executions=2) == EndedRun(followed, "", "")


def test_whoever_ends_it_ends_what_it_began() -> None:
    runs, ends = ScriptedRuns(["RUNNING"]), list[str]()
    begun = WorkerRuns(cast("Runs", runs), "parent", 1)

    def follow_on() -> None:
        with pytest.raises(RunError, match="was ended"):
            begun.run(REF, {"mode": "full"})
        ends.append("ended")

    waiting = Thread(target=follow_on)
    waiting.start()
    until(lambda: begun._followed)
    begun.cancel()
    waiting.join(10)
    assert (runs.cancelled, ends) == (["1"], ["ended"])
    with pytest.raises(RunError, match="was ended"):
        begun.run(REF, {"mode": "full"})
    assert runs.cancelled == ["1"], "nothing was begun"


def test_every_run_is_asked_to_end_though_one_cannot_be() -> None:
    runs = ScriptedRuns(["RUNNING"], ["RUNNING"])
    runs.refused.add("1")
    begun = WorkerRuns(cast("Runs", runs), "parent", 1)

    def follow_on(ref: RunRef) -> None:
        with pytest.raises(RunError, match="was ended"):
            begun.run(ref, {"mode": "full"})

    waiting = [Thread(target=follow_on, args=(ref,)) for ref in (REF, REF.model_copy(update={"unit_id": "public.u"}))]
    waiting[0].start()
    until(lambda: len(begun._followed) == 1)
    waiting[1].start()
    until(lambda: len(begun._followed) == 2)
    assert begun.cancel() == ["1 (The server is away)"]
    for thread in waiting:
        thread.join(10)
    assert runs.cancelled == ["2"]
