"""What is known of units: what operators set, and where they stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.receipts import RunRef
from contracts.unit import UnitConfig
from flows.operations.statuses import state_of, states_of
from metadata_api.schema import showing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.unit import UnitState
    from flows.wiring import Workspace
    from metadata_api.schema import types
    from metadata_api.schema.context import Context


def last_status(context: Context, endpoint_id: str, unit_id: str) -> types.IngestionStatus:
    """Where the unit stands in the sink of ``sink_in_use``."""
    workspace = context.workspace
    config = workspace.units.config(endpoint_id, unit_id)
    states = [] if config.sink_id else [each for each in states_of(workspace, endpoint_id) if each.unit_id == unit_id]
    sink_id = sink_in_use(config, states, workspace.default_sink)
    ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id)
    state = state_of(workspace, ref)
    saved = workspace.checkpoints(workspace.vendor(endpoint_id)).load(ref) if sink_id else None
    return showing.status(state, None if saved is None else dict(saved.cursor))


def sink_in_use(config: UnitConfig, states: Iterable[UnitState], default: str | None) -> str:
    """The unit's own sink, else that of its newest state, else the default one, else an empty text."""
    return config.sink_id or newest_sink(states, default)


def newest_sink(states: Iterable[UnitState], default: str | None) -> str:
    """The sink of the newest state, else the default one, else an empty text."""
    newest = max(states, key=lambda each: each.last_run_at.timestamp() if each.last_run_at else 0.0, default=None)
    return (default or "") if newest is None else newest.sink_id


def states_by_unit(states: Iterable[UnitState]) -> dict[str, list[UnitState]]:
    """The states of each unit: one per sink."""
    found: dict[str, list[UnitState]] = {}
    for each in states:
        found.setdefault(each.unit_id, []).append(each)
    return found


def configs_of(workspace: Workspace, endpoint_id: str) -> dict[str, UnitConfig]:
    """What operators set, by unit."""
    return {each.unit_id: each for each in workspace.units.list(endpoint_id)}


def plain_config(endpoint_id: str, unit_id: str) -> UnitConfig:
    """Settings of a unit for which nobody set any."""
    return UnitConfig(endpoint_id=endpoint_id, unit_id=unit_id)
