"""What the tasks of a run share without passing it: endpoints, the frozen plan, the stop signal.

The flow files its run here under the flow run's id and, once it holds an epoch, under the run handle. Tasks in threads
find it. A task in another process (Dask) finds nothing and makes it again from the sink, which froze the plan.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import TYPE_CHECKING

from cdm_mappers.registry import mapper_for
from contracts.errors import RunSupersededError
from contracts.model import Contract
from flows.stages.plan import OpenRun
from flows.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.endpoint import SinkEndpoint, SourceEndpoint
    from contracts.mapping import CdmMapper
    from contracts.receipts import CensusReceipt, RunHandle, RunRef, UpsertReceipt
    from contracts.staging import StagingHandle, StagingProvider
    from flows.stages.plan import RunRequest

WORKSPACE_ID = "default"


class SlicePlace(Contract):
    """Where a slice's rows go through: small strings that any process understands."""

    staging_id: str | None = None
    view: str | None = None


@dataclass
class LiveRun:
    """One run as this process knows it."""

    source: SourceEndpoint
    sink: SinkEndpoint
    staging: StagingProvider
    place: SlicePlace
    mapper: CdmMapper | None = None
    request: RunRequest | None = None
    """None in a process that only helps."""
    opened: OpenRun | None = None
    receipts: list[UpsertReceipt] = field(default_factory=list)
    census: CensusReceipt | None = None
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    staged: StagingHandle | None = None
    """Of the first session that was sealed in this process, to show where they lie."""
    stop: Event = field(default_factory=Event)
    """Set: what is in hand is given up between two batches."""
    pause: Event = field(default_factory=Event)
    """Set: slices in hand are finished, and no other one begins."""
    driving: bool = False
    """Slices are being moved now; before and after there is nothing worth finishing."""

    def ask_to_pause(self) -> None:
        """End as soon as nothing that was read would have to be read again. May be asked again and again."""
        self.pause.set()
        if self.opened is not None and not self.driving:
            self.stop.set()


_runs: dict[str, LiveRun] = {}
_lock = Lock()


@contextmanager
def filed(token: str, live: LiveRun) -> Iterator[LiveRun]:
    """Keep the run findable while the context is open."""
    _runs[token] = live
    try:
        yield live
    finally:
        for name in [name for name, known in list(_runs.items()) if known is live]:
            _runs.pop(name, None)


def by_token(token: str) -> LiveRun:
    """The run of a flow run of this process; KeyError when there is none."""
    return _runs[token]


def running(ref: RunRef) -> LiveRun | None:
    """The run of this process that works on ``ref``, if there is one."""
    found = (live for live in list(_runs.values()) if live.request is not None and live.request.ref == ref)
    return next(found, None)


def opened_as(token: str, opened: OpenRun) -> None:
    """The run holds its epoch now."""
    live = _runs[token]
    live.opened = opened
    _runs[_name(opened.run)] = live


def find_run(run: RunHandle, place: SlicePlace) -> LiveRun:
    """The run behind a handle, from this process or from the sink.

    Raises:
        RunSupersededError: The sink knows a later epoch.
    """
    with _lock:
        if _name(run) not in _runs:
            _runs[_name(run)] = _from_sink(run, place)
        return _runs[_name(run)]


def _from_sink(run: RunHandle, place: SlicePlace) -> LiveRun:
    with open_workspace() as workspace:
        sink = workspace.sink(run.ref.sink_id)
        source = workspace.source(run.ref.endpoint_id)
        staging = workspace.staging(place.staging_id)
    frozen = sink.last_run(run.ref)
    if frozen is None or (frozen.run_id, frozen.epoch) != (run.run_id, run.epoch):
        raise RunSupersededError(f"A later run of {run.ref} took over", "Nothing is to be done: that one goes on.")
    mapper = mapper_for(source, frozen.plan.unit, frozen.plan.cdm_model)
    return LiveRun(source, sink, staging, place, mapper, opened=OpenRun(run, frozen.plan, frozen.started_at))


def _name(run: RunHandle) -> str:
    return f"{run.run_id}@{run.epoch}"
