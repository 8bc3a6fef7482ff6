"""What crosses a task's border is small, whatever the plan's size (I5); a task anywhere finds its run."""

from __future__ import annotations

import inspect
import json
import re
from typing import TYPE_CHECKING, Any

import cloudpickle
import httpx
from prefect.tasks import Task

from contracts.plan import IngestionPlan, IngestionSlice
from contracts.receipts import RunHandle, StageReceipt
from flows.execution import tasks
from flows.ingest_endpoint import ingest_endpoint
from flows.ingest_unit import ingest_unit
from flows.stages import run as unit_run
from tests.flows.conftest import ROWS, SMALL

if TYPE_CHECKING:
    import pytest

    from flows.stages.executor import SliceContext
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair

LIMIT = 64 * 1024
MANY = 5_000
MOST_CALLS_A_RUN = 30
MOST_CALLS_A_TABLE, CALLS_OF_THE_FLOW = 14, 24
"""The first run of a table, beside those below; and what the flow of an endpoint asks once."""
ONCE_IN_A_WHILE = re.compile("unit-holds|/block_documents/filter|/artifacts/.|/logs/|/leases/")
"""Calls whose number depends on how long the run takes: is a pause wished, progress, log lines, the lease."""


def test_payloads_stay_small_with_five_thousand_slices(
    pair: RegisteredPair, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan has 5,000 slices; of those only the real ones are run, the rest is dropped from what is to do."""
    source = workspace.source(pair.source_id)
    planned = source.plan
    real: list[str] = []

    def many(request: Any) -> IngestionPlan:
        plan = planned(request)
        real.extend(piece.key for piece in plan.slices)
        params = plan.slices[-1].params
        extra = tuple(IngestionSlice(key=f"more-{n}", sequence=0, params=params) for n in range(MANY))
        return plan.extended(extra)

    sizes = _measure_submissions(monkeypatch)

    class FewSlices(unit_run.SliceWindow):
        def drive(self, pieces: Any) -> None:
            super().drive([piece for piece in pieces if piece.key in real])

    monkeypatch.setattr(source, "plan", many)
    monkeypatch.setattr(unit_run, "SliceWindow", FewSlices)
    state = ingest_unit(pair.source_id, "public.orders", pair.sink_id, policy=SMALL, return_state=True)
    assert str(state.message).startswith("E_COMPLETENESS_GAP: "), "the slices that were left out are missed"
    assert len(real) > 5
    assert len(sizes) >= 4 * len(real)
    print("largest payload:", max(sizes), "bytes")
    assert max(sizes) < LIMIT
    message = str(state.message)
    assert len(message) < 4_096


def test_what_a_slice_costs(pair: RegisteredPair, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound on what Prefect adds per slice: no API call of its own, and a few kilobytes in and out of its tasks."""
    calls, sizes = _count_calls(monkeypatch), _measure_submissions(monkeypatch)

    def cost(policy: dict[str, Any]) -> tuple[int, int]:
        calls.clear()
        slices = ingest_unit(pair.source_id, "public.orders", pair.sink_id, policy=policy, fresh=True)["slices_done"]
        return slices, len([path for path in calls if not ONCE_IN_A_WHILE.search(path)])

    cost(SMALL)  # what is asked once per process
    one, many = cost({}), cost(SMALL)
    assert one[0] == 1
    assert many[0] > 10
    extra = many[1] - one[1]
    print(f"{many[1]} calls for {many[0]} slices, {one[1]} for one; largest payload {max(sizes)} bytes")
    assert extra <= 2, "the progress bar"
    assert one[1] <= MOST_CALLS_A_RUN
    assert max(sizes) <= 8 * 1024


def test_what_a_table_costs(pair: RegisteredPair, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound on the calls that each further table of an endpoint adds, and one table of units in place of plans."""
    tables = 6
    pair.source_sql("".join(f"CREATE TABLE public.t{n} (id int PRIMARY KEY);" for n in range(1, tables)))
    workspace.catalogs.save(workspace.source(pair.source_id).collect_catalog(pair.source_id))
    calls = _count_calls(monkeypatch)
    units = ingest_endpoint(pair.source_id, pair.sink_id, parallel_units=4)["units"]
    assert len(units) == tables
    counted = [path for path in calls if not ONCE_IN_A_WHILE.search(path)]
    print(f"{len(counted) / tables:.1f} calls a table")
    assert len(counted) <= MOST_CALLS_A_TABLE * tables + CALLS_OF_THE_FLOW
    shown = workspace.plane.call("GET", f"/artifacts/units-{pair.source_id}-{pair.sink_id}/latest")
    lines = {line["unit"]: line for line in json.loads(shown["data"])}
    assert {line["ended"] for line in lines.values()} == {"SUCCEEDED"}
    assert (lines["public.orders"]["rows_read"], lines["public.t1"]["rows_read"]) == (ROWS, 0)
    assert workspace.plane.call("GET", f"/artifacts/plan-{pair.source_id}-public-t1-{pair.sink_id}/latest") is None
    state = workspace.states.state(pair.ref.model_copy(update={"unit_id": "public.t1"}))
    assert state.flow_run_id is not None
    assert state.last_run_id == state.flow_run_id.replace("-", ""), "written once: a new run has the flow run's id"


def test_a_slice_runs_in_a_process_that_knows_nothing(
    pair: RegisteredPair, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Dask: every slice's task finds its run in the sink, not in the flow's process."""
    rebuilt: list[str] = []
    from_sink = tasks.context_from_sink.__wrapped__

    def counted(run: RunHandle, route: tasks.SliceRoute) -> SliceContext:
        rebuilt.append(run.run_id)
        return from_sink(run, route)

    monkeypatch.setattr(tasks, "context_of", counted)
    summary = ingest_unit(pair.source_id, "public.orders", pair.sink_id)
    assert summary["rows_inserted"] == ROWS
    assert set(rebuilt) == {summary["run_id"]}
    assert len(rebuilt) == 2 * summary["slices_done"]
    assert pair.same()


def test_another_process_reads_the_run_once(pair: RegisteredPair, workspace: Workspace) -> None:
    """However many slices a worker takes, the frozen plan is read from the sink once per run and process."""
    summary = ingest_unit(pair.source_id, "public.orders", pair.sink_id)
    run = RunHandle(ref=pair.ref, run_id=summary["run_id"], epoch=summary["epoch"])
    route = tasks.SliceRoute()
    assert tasks.context_of(run, route) is tasks.context_of(run, route)
    assert tasks.context_of(run, route).plan.unit.unit_id == "public.orders"


def test_no_task_takes_a_plan() -> None:
    small = {"run": RunHandle, "piece": IngestionSlice, "staged": StageReceipt, "route": tasks.SliceRoute}
    defined = [each for each in vars(tasks).values() if isinstance(each, Task)]
    assert {each.name for each in defined} == {"export-and-stage", "map-and-upsert", "move-slice"}
    for each in defined:
        hints = inspect.get_annotations(each.fn, eval_str=True)
        hints.pop("return")
        assert all(hints[name] is small[name] for name in hints)
        assert each.retries == 0, "what is tried again is decided in one place, for every executor"


def _count_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every request that this process sends to the Prefect API, from now on."""
    calls: list[str] = []
    send, send_async = httpx.Client.send, httpx.AsyncClient.send

    def sent(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
        calls.append(request.url.path)
        return send(self, request, **options)

    async def sent_async(self: httpx.AsyncClient, request: httpx.Request, **options: Any) -> httpx.Response:
        calls.append(request.url.path)
        return await send_async(self, request, **options)

    monkeypatch.setattr(httpx.Client, "send", sent)
    monkeypatch.setattr(httpx.AsyncClient, "send", sent_async)
    return calls


def _measure_submissions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of each task's arguments and of its result, from now on."""
    sizes: list[int] = []
    submitted = Task.submit

    def submit(self: Task[Any, Any], *args: Any, **kwargs: Any) -> Any:
        future = submitted(self, *args, **kwargs)
        sizes.append(len(cloudpickle.dumps((args, kwargs))))
        future.add_done_callback(
            lambda ended: sizes.append(len(cloudpickle.dumps(ended.result(raise_on_failure=False))))
        )
        return future

    monkeypatch.setattr(Task, "submit", submit)
    return sizes
