"""Stage 1, plan: which slices this run reads. A fresh plan, or the rest of one that was not finished."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from contracts.endpoint import PlanRequest, SinkEndpoint, SourceEndpoint
from contracts.errors import ConfigInvalidError
from contracts.mapping import CdmModel
from contracts.model import Contract, Json
from contracts.plan import IngestionPlan, IngestionSlice, fingerprint
from contracts.receipts import FrozenRun, RunHandle, RunRef, UpsertReceipt
from contracts.traits import SupportsAdoption, SupportsCdm, SupportsConsistentView
from contracts.unit import EndpointUnitDescriptor, IngestionMode, UnitPolicy
from flows.stages.width import fitted
from state.admission import require_fitting_sink

if TYPE_CHECKING:
    from collections.abc import Mapping


class RunRequest(Contract):
    """What a run is asked to do."""

    ref: RunRef
    unit: EndpointUnitDescriptor
    mode: IngestionMode
    policy: UnitPolicy
    checkpoint: Json | None = None
    workspace_id: str = "default"
    cdm_model: CdmModel | None = None
    """What the rows are mapped to; None for raw rows."""
    fresh: bool = False
    """Make a new plan even if an unfinished run could be resumed."""
    notes: tuple[str, ...] = ()
    """What was found out about the request, for the plan's notes."""
    adopt: bool = False
    """Take the target over if it belongs to another unit, or holds rows that no run wrote."""
    run_id: str | None = None
    """Of a new run whose plan is made here; made up when None. The caller knows that no run of the sink has it."""


@dataclass(frozen=True)
class OpenRun:
    """A run that holds its epoch.

    Attributes:
        run: What a writer shows.
        plan: The frozen plan.
        done: What an earlier process finished: receipts of slices, of repairs, of a census.
        started_at: When the run began; of a resumed run, when it first began.
        provisioned: What was done to the sink's table, one line each.
    """

    run: RunHandle
    plan: IngestionPlan
    started_at: datetime
    done: Mapping[str, UpsertReceipt] = field(default_factory=dict)
    provisioned: tuple[str, ...] = ()

    @property
    def slices_done(self) -> int:
        """How many of the plan's slices an earlier process finished."""
        return sum(piece.key in self.done for piece in self.plan.slices)

    @property
    def todo(self) -> tuple[IngestionSlice, ...]:
        """Slices without a receipt, in order."""
        return tuple(piece for piece in self.plan.slices if piece.key not in self.done)


def open_run(source: SourceEndpoint, sink: SinkEndpoint, request: RunRequest, view: str | None) -> OpenRun:
    """Resume the unfinished run of the same shape, or make a new plan; then take the epoch.

    Raises:
        PlanError: The unit cannot be read so.
        UpsertError: The sink cannot be made to fit; nothing was written.
    """
    require_sink(sink, request)
    request = fitted(sink, request)
    if request.adopt and (taken_over := _taken_over(source, sink, request, view)):
        return taken_over
    previous = sink.last_run(request.ref)
    if previous is not None and previous.finished_at is None and previous.plan.checkpoint_before is None:
        # That run set out to read everything and did not end: no older checkpoint speaks for the sink any more.
        request = request.model_copy(update={"checkpoint": None})
    if previous is not None and can_continue(previous, request, datetime.now(UTC)) and _is_sound(sink, previous):
        plan = _continued(source, previous, request)
        opened = _begun(sink, request, plan, previous.run_id, previous.started_at)
    else:
        plan = make_plan(source, request, view)
        opened = _begun(sink, request, plan, _new_id(request, previous), datetime.now(UTC))
    if not _target_was_emptied(opened):
        return opened
    everything = make_plan(source, request.model_copy(update={"checkpoint": None}), view)
    return _begun(sink, request, everything, uuid4().hex, datetime.now(UTC))


def _taken_over(source: SourceEndpoint, sink: SinkEndpoint, request: RunRequest, view: str | None) -> OpenRun | None:
    """A full run into a target that was somebody else's, whatever the unit has in its checkpoint; None if it was free.

    Raises:
        ConfigInvalidError: Targets of this sink have no owner.
    """
    if not isinstance(sink, SupportsAdoption):
        raise ConfigInvalidError(
            f"Tables of sink {request.ref.sink_id!r} are shared: none can be taken over", "Run again without adopt."
        )
    plan = make_plan(source, request.model_copy(update={"mode": "full", "checkpoint": None}), view)
    run_id = uuid4().hex
    lines = sink.adopt(request.ref, run_id, plan)
    if not lines:
        return None
    opened = _begun(sink, request, plan, run_id, datetime.now(UTC))
    return replace(opened, provisioned=(*lines, *opened.provisioned))


def _is_sound(sink: SinkEndpoint, previous: FrozenRun) -> bool:
    """False when a slice of that run came with a gap: its receipt stands, so only a new plan reads it again."""
    handle = RunHandle(ref=previous.ref, run_id=previous.run_id, epoch=previous.epoch)
    return not any(receipt.incomplete for receipt in sink.receipts(handle).values())


def _begun(sink: SinkEndpoint, request: RunRequest, plan: IngestionPlan, run_id: str, started_at: datetime) -> OpenRun:
    provisioned = sink.provision(plan)
    run = sink.begin_run(request.ref, run_id, plan)
    done = sink.receipts(run)
    return OpenRun(run.model_copy(update={"resumed": bool(done)}), plan, started_at, done, provisioned)


def _new_id(request: RunRequest, previous: FrozenRun | None) -> str:
    """The id that was asked for, unless the last run has it: receipts are filed under it, and are of one plan."""
    is_taken = previous is not None and previous.run_id == request.run_id
    return uuid4().hex if request.run_id is None or is_taken else request.run_id


def _target_was_emptied(opened: OpenRun) -> bool:
    """True when the sink's table lost rows that a checkpoint or receipts vouch for: somebody dropped or emptied it."""
    vouched = opened.plan.checkpoint_before is not None or any(done.rows_staged for done in opened.done.values())
    return opened.run.target_is_empty and vouched


def make_plan(source: SourceEndpoint, request: RunRequest, view: str | None) -> IngestionPlan:
    """A plan from the source, without touching the sink."""
    wanted = PlanRequest(
        endpoint_id=request.ref.endpoint_id,
        unit=request.unit,
        mode=request.mode,
        policy=request.policy,
        checkpoint=request.checkpoint,
        view=view,
    )
    plan = source.plan(wanted)
    return plan.model_copy(update={"cdm_model": request.cdm_model, "notes": (*request.notes, *plan.notes)})


def require_sink(sink: SinkEndpoint, request: RunRequest) -> None:
    """Refuse, before anything starts, a sink that cannot take what the run will make.

    Raises:
        CdmModelUnsupportedError: The sink takes no rows of this model, or no raw rows.
        SinkNotProvisionedError: The model's table is missing or older than the model.
    """
    require_fitting_sink(
        request.ref.sink_id,
        request.cdm_model,
        takes_cdm=isinstance(sink, SupportsCdm),
        takes_raw="sink.raw" in sink.descriptor.capabilities,
    )
    if request.cdm_model is not None and isinstance(sink, SupportsCdm):
        sink.require_model(request.cdm_model)


def can_continue(previous: FrozenRun, request: RunRequest, now: datetime) -> bool:
    """True for an unfinished run that asked the same and is young enough to be worth its half-done work."""
    if request.fresh or previous.finished_at is not None:
        return False
    age_s = (now - previous.started_at).total_seconds()
    current = fingerprint(request.unit, request.mode, request.policy, request.checkpoint, request.cdm_model)
    return age_s < request.policy.resume_within_s and previous.plan.fingerprint == current


def _continued(source: SourceEndpoint, previous: FrozenRun, request: RunRequest) -> IngestionPlan:
    """The frozen plan under today's limits, and what the change of view makes necessary."""
    plan = previous.plan.model_copy(update={"policy": request.policy})
    extra = source.catch_up(plan, previous.epoch + 1) if isinstance(source, SupportsConsistentView) else ()
    return plan.extended(extra)
