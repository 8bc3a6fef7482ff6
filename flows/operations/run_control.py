"""Start, pause and schedule units, switch endpoints on the server in use: what the command and the API both do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from contracts.errors import ConfigInvalidError, EndpointInUseError
from contracts.traits import SupportsSelectionCheck
from flows.knowledge_feed import endpoint_removed
from flows.prefect_api.runs import ACCEPTED, ALIVE, AWAITING_RETRY, AWAITING_TURN, DEPLOYMENT, key_of, same_parameters
from flows.prefect_api.schedules import prefect_schedule, sync_collections, sync_schedules
from state.units import stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.receipts import RunRef
    from contracts.unit import UnitConfig
    from flows.prefect_api.runs import Run
    from flows.wiring import Workspace


_NOT_ENDED = ("SCHEDULED", "PAUSED", *ALIVE)


def active_run(workspace: Workspace, ref: RunRef) -> Run | None:
    """The run that works on ``ref`` now, else one that was accepted and waits for a worker."""
    return _at_work(workspace, ref) or next(iter(_waiting(workspace, ref)), None)


class Start(NamedTuple):
    """What came of a request to start a unit."""

    run: Run
    ended_pause: bool
    """True when the unit was paused, and no longer is."""

    @property
    def words(self) -> str:
        """For a person."""
        return "The pause is over, and the unit runs" if self.ended_pause else "The unit runs"


def start(workspace: Workspace, ref: RunRef, parameters: Mapping[str, Any]) -> Start:
    """Start the unit on a worker, or let it go on where a pause stopped it.

    A run that would do the same and has not begun is given back in place of a second one. A run at work is not: it
    may have read before the request, so the new one waits for its turn.

    Args:
        workspace: Of the server in use.
        ref: What is to run; whoever calls made sure that it may.
        parameters: Of the flow, the three ids among them.

    Raises:
        ControlPlaneError: The server did not answer, or has no deployment ``ingest-unit``.
    """
    ended_pause = workspace.holds.release(ref)
    if ended_pause:
        sync(workspace)
    run = _resumed(workspace, ref) or _not_begun(workspace, parameters)
    if run is None:
        run = workspace.runs.start(DEPLOYMENT, parameters, key=key_of("start", uuid4().hex), tags=(ACCEPTED,))
    return Start(run, ended_pause)


def pause(workspace: Workspace, ref: RunRef) -> Run | None:
    """Ask the unit's run to end after the slices in hand, and hold its schedule back; the run, if one is at work.

    A run that waits for a worker is cancelled: nothing of it began.
    """
    alive = _alive(workspace, ref)
    at_work = next(iter(alive), None)
    workspace.holds.hold(ref)
    for run in _waiting(workspace, ref):
        workspace.runs.cancel(run)
    if at_work is None:
        workspace.states.paused(ref)
    sync(workspace)
    return at_work


def configure(workspace: Workspace, before: UnitConfig, after: UnitConfig) -> UnitConfig:
    """Keep what was set for a unit in place of ``before``; a schedule becomes a Prefect schedule.

    Raises:
        ConfigInvalidError: The schedule is none, or has no sink to write to.
        FilterNotSupportedError: The source cannot filter the unit so.
        ControlPlaneError: Kept, but the server could not be told of the schedule; set it again.
    """
    if stored(after) == stored(before):
        return after
    if after.schedule:
        prefect_schedule(after.schedule)
        if after.sink_id is None:
            raise ConfigInvalidError("A schedule needs a sink", "Set the unit's sink too.", field="sink_id")
    _check_selection(workspace, before, after)
    workspace.units.configure(after)
    if _scheduled(before) != _scheduled(after):
        sync(workspace)
    return after


def _check_selection(workspace: Workspace, before: UnitConfig, after: UnitConfig) -> None:
    """A new filter is looked at now: whoever sets it is here to correct it, whoever runs it is not."""
    chosen = after.policy.filter, after.policy.selectors
    if chosen == (before.policy.filter, before.policy.selectors) or not any(chosen):
        return
    source = workspace.source(after.endpoint_id)
    if isinstance(source, SupportsSelectionCheck):
        source.check_selection(workspace.unit(after.endpoint_id, after.unit_id), after.policy)


def switch_endpoint(workspace: Workspace, endpoint_id: str, *, on: bool) -> None:
    """Let the endpoint's units run, or not; their schedules follow."""
    workspace.switches.switch(endpoint_id, on=on)
    sync(workspace)


def remove_endpoint(workspace: Workspace, endpoint_id: str) -> bool:
    """Forget the connection and whether it was switched off; its state stays. False when there was none.

    Raises:
        EndpointInUseError: A run reads or writes it, or waits to.
        ControlPlaneError: The server did not say which runs there are.
    """
    if using := next((run for run in workspace.runs.find(_NOT_ENDED) if _uses(run, endpoint_id)), None):
        raise EndpointInUseError(
            f"Endpoint {endpoint_id!r} is used by run {using.run_id} ({using.name or using.state})",
            "Wait for the run to end, or cancel it; then remove the endpoint.",
            endpoint_id=endpoint_id,
            run_id=using.run_id,
        )
    removed = workspace.endpoints.remove(endpoint_id)
    workspace.switches.forget(endpoint_id)
    workspace.profiles.forget(endpoint_id)
    if workspace.collection_schedules.forget(endpoint_id):
        sync(workspace)
    endpoint_removed(workspace, endpoint_id)
    return removed


def sync(workspace: Workspace) -> int:
    """Make Prefect's schedules what unit configs, holds, switches and schedules of catalogs say; how many changed."""
    configs = [each for each in workspace.units.list() if each.schedule and each.enabled and each.sink_id]
    schedules = workspace.collection_schedules.list()
    off = {name for name in {*schedules, *(each.endpoint_id for each in configs)} if not workspace.switches.is_on(name)}
    due = [each for each in configs if each.endpoint_id not in off]
    changed = sync_schedules(workspace.plane, due, workspace.holds.list())
    collected = {name: each for name, each in schedules.items() if name not in off}
    return changed + sync_collections(workspace.plane, collected)


def _uses(run: Run, endpoint_id: str) -> bool:
    """True for a run of the endpoint that somebody asked for; what only its schedule planned does not count yet."""
    if run.ref is None or endpoint_id not in {run.ref.endpoint_id, run.ref.sink_id}:
        return False
    return run.state != "SCHEDULED" or ACCEPTED in run.tags or run.name in {AWAITING_TURN, AWAITING_RETRY}


def _scheduled(config: UnitConfig) -> tuple[object, ...] | None:
    return (config.schedule, config.enabled, config.sink_id) if config.schedule else None


def _at_work(workspace: Workspace, ref: RunRef) -> Run | None:
    return next(iter(_alive(workspace, ref)), None)


def _alive(workspace: Workspace, ref: RunRef) -> list[Run]:
    return [run for run in workspace.runs.find(ALIVE) if run.ref == ref]


def _resumed(workspace: Workspace, ref: RunRef) -> Run | None:
    """The unit's suspended run, which a worker continues; None when there is none that can be continued."""
    suspended = [run for run in workspace.runs.find(("PAUSED",)) if run.ref == ref]
    return next((workspace.runs.get(run.run_id) for run in suspended if workspace.runs.resume(run)), None)


def _not_begun(workspace: Workspace, parameters: Mapping[str, Any]) -> Run | None:
    promised = workspace.runs.find(("SCHEDULED", "PENDING"), tag=ACCEPTED)
    return next((run for run in promised if same_parameters(run.parameters, parameters)), None)


def _waiting(workspace: Workspace, ref: RunRef) -> list[Run]:
    """Runs that were promised, and runs of schedules and the UI that wait for their turn."""
    promised = workspace.runs.find(("SCHEDULED",), tag=ACCEPTED)
    in_turn = workspace.runs.find(("SCHEDULED",), names=(AWAITING_TURN,))
    return [*{run.run_id: run for run in (*promised, *in_turn) if run.ref == ref}.values()]
