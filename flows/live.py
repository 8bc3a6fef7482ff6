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

from contracts.errors import CdmModelUnsupportedError, RunSupersededError
from contracts.model import Contract
from contracts.unit import DataMode
from flows.stages.plan import OpenRun
from flows.wiring import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.endpoint import SinkEndpoint, SourceEndpoint
    from contracts.mapping import CdmMapper
    from contracts.receipts import CensusReceipt, RunHandle, UpsertReceipt
    from contracts.staging import StagingHandle, StagingProvider
    from contracts.unit import EndpointUnitDescriptor
    from flows.stages.plan import RunRequest

WORKSPACE_ID = "default"


class SlicePlace(Contract):
    """Where a slice's rows go through: small strings that any process understands."""

    staging_id: str | None = None
    view: str | None = None
    data_mode: DataMode = "raw"


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


def mapper_of(source: SourceEndpoint, unit: EndpointUnitDescriptor, data_mode: DataMode) -> CdmMapper | None:
    """None for raw rows.

    Raises:
        CdmModelUnsupportedError: No common model is known for the unit, or no mapper.
    """
    if data_mode == "raw":
        return None
    if unit.cdm_model_id is None:
        raise CdmModelUnsupportedError(
            f"Unit {unit.unit_id!r} has no common data model",
            "Ingest it in data mode `raw`.",
            unit_id=unit.unit_id,
        )
    from cdm_mappers.registry import CdmMapperRegistry  # noqa: PLC0415 - raw runs need none

    return CdmMapperRegistry().find(source.descriptor.family, unit.kind, unit.cdm_model_id)


def _from_sink(run: RunHandle, place: SlicePlace) -> LiveRun:
    with open_workspace() as workspace:
        sink = workspace.sink(run.ref.sink_id)
        source = workspace.source(run.ref.endpoint_id)
        staging = workspace.staging(place.staging_id)
    frozen = sink.last_run(run.ref)
    if frozen is None or (frozen.run_id, frozen.epoch) != (run.run_id, run.epoch):
        raise RunSupersededError(f"A later run of {run.ref} took over", "Nothing is to be done: that one goes on.")
    mapper = mapper_of(source, frozen.plan.unit, place.data_mode)
    return LiveRun(source, sink, staging, place, mapper, opened=OpenRun(run, frozen.plan, frozen.started_at))


def _name(run: RunHandle) -> str:
    return f"{run.run_id}@{run.epoch}"
