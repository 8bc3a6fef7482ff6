"""The cache reads again what can have changed, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.receipts import RunRef
from contracts.state import Checkpoint
from flows.prefect_api.runs import ALIVE, Run
from metadata_api import unit_state_cache as module
from metadata_api.unit_state_cache import UnitStateCache
from state.checkpoints import Checkpoints
from state.keys import unit_state_key
from state.memory import MemoryKvStore
from state.switches import UnitHolds
from state.units import UnitStates

UNITS = 50


def ref(number: int, endpoint_id: str = "shop") -> RunRef:
    return RunRef(endpoint_id=endpoint_id, unit_id=f"public.t{number}", sink_id="lake")


class CountingStore(MemoryKvStore):
    reads = 0
    lists = 0

    def get(self, key: Any) -> Any:
        self.reads += 1
        return super().get(key)

    def list(self, namespace: str, scope_id: str | None = None) -> Any:
        self.lists += namespace == "unit_states"
        return super().list(namespace, scope_id)


class ListedRuns:
    def __init__(self) -> None:
        self.held: list[Run] = []

    def add(self, of: RunRef, state: str, ended_s_ago: float | None = None) -> None:
        now = datetime.now(UTC)
        ended = None if ended_s_ago is None else now - timedelta(seconds=ended_s_ago)
        self.held.append(Run("run", state, state, "", "", now, 1, of.model_dump(), {}, (), now, ended))

    def find(self, states: Any, *, ended_after: Any = None, names: Any = ()) -> Any:
        for run in self.held:
            late = ended_after is None or (run.ended_at is not None and run.ended_at > ended_after)
            if run.state in states and late and (not names or run.name in names):
                yield run


class StateWorkspace:
    def __init__(self) -> None:
        self.store = CountingStore()
        self.states, self.holds, self.runs = UnitStates(self.store), UnitHolds(self.store), ListedRuns()

    def vendor(self, endpoint_id: str) -> str:
        return "postgres"

    def checkpoints(self, vendor: str) -> Checkpoints:
        return Checkpoints(self.store, vendor)


@pytest.fixture
def workspace() -> StateWorkspace:
    made = StateWorkspace()
    for number in range(UNITS):
        made.states.running(ref(number), "old")
        made.states.succeeded(ref(number), "old")
    return made


@pytest.fixture
def cache(workspace: StateWorkspace) -> UnitStateCache:
    made = UnitStateCache(workspace)
    assert {state.state for state in made.states("shop")} == {"SUCCEEDED"}
    workspace.store.reads = workspace.store.lists = 0
    return made


def test_asking_again_reads_no_state(workspace: StateWorkspace, cache: UnitStateCache) -> None:
    assert len(cache.states("shop")) == UNITS
    assert (workspace.store.reads, workspace.store.lists) == (0, 0)


def test_a_run_that_ended_is_read_again_with_its_cursor(workspace: StateWorkspace, cache: UnitStateCache) -> None:
    workspace.states.failed(ref(3), "old", ValueError())
    now = datetime.now(UTC)
    saved = Checkpoint(**ref(3).model_dump(), cursor={"settled": "5"}, last_run_id="r", last_updated_at=now, stats={})
    workspace.checkpoints("postgres").save(saved)
    workspace.store.reads = 0
    workspace.runs.add(ref(3), "FAILED", ended_s_ago=1)
    workspace.runs.add(ref(4, "other"), "FAILED", ended_s_ago=1)
    assert [state.unit_id for state in cache.states("shop") if state.state == "FAILED"] == ["public.t3"]
    assert cache.cursors("shop") == {ref(3): {"settled": "5"}}
    assert workspace.store.reads <= 2
    assert cache.states("other") == ()


def test_a_unit_that_never_ran_before_shows_up_while_it_runs(workspace: StateWorkspace, cache: UnitStateCache) -> None:
    workspace.runs.add(ref(99), ALIVE[1])
    assert [state.unit_id for state in cache.states("shop") if state.state == "RUNNING"] == ["public.t99"]


def mark_idle(workspace: StateWorkspace, ref: RunRef) -> None:
    state = workspace.states.state(ref).model_copy(update={"state": "IDLE"})
    workspace.store.put(unit_state_key(ref), state.model_dump(mode="json"))


def test_a_hold_and_its_release(workspace: StateWorkspace, cache: UnitStateCache) -> None:
    workspace.holds.hold(ref(7))
    workspace.states.paused(ref(7))
    assert [state.unit_id for state in cache.states("shop") if state.state == "PAUSED"] == ["public.t7"]
    workspace.holds.release(ref(7))
    mark_idle(workspace, ref(7))
    assert [state.unit_id for state in cache.states("shop") if state.state == "IDLE"] == ["public.t7"]


def test_what_was_changed_through_this_api_is_read_again(workspace: StateWorkspace, cache: UnitStateCache) -> None:
    mark_idle(workspace, ref(8))
    assert not [state for state in cache.states("shop") if state.state == "IDLE"]
    cache.invalidate(ref(8))
    assert [state.unit_id for state in cache.states("shop") if state.state == "IDLE"] == ["public.t8"]


def test_everything_is_read_again_after_a_while(
    workspace: StateWorkspace, cache: UnitStateCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark_idle(workspace, ref(9))
    later = module.time.monotonic() + module.WHOLE_EVERY_S + 1
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    cache.refresh()
    assert workspace.store.lists == 1
    assert [state.unit_id for state in cache.states("shop") if state.state == "IDLE"] == ["public.t9"]
    monkeypatch.setattr(module.time, "monotonic", lambda: later + module.FORGOTTEN_AFTER_S + 1)
    cache.refresh()
    assert workspace.store.lists == 1, "nobody asks about it any more"
