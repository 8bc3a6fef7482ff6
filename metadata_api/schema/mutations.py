"""What may be changed, by admins only."""

from typing import Any

import strawberry

from contracts.unit import UnitConfig, UnitPolicy
from flows.operations import run_control
from flows.operations.cdm import provision_cdm
from flows.prefect_api.runs import Run
from metadata_api import actions
from metadata_api.checks import one_sink
from metadata_api.metadata_cache import MetadataCache, read_endpoint
from metadata_api.registration import read_object
from metadata_api.results import unit_state
from metadata_api.schema import showing, types
from metadata_api.schema.context import Context
from metadata_api.schema.dataset_queries import preview
from metadata_api.schema.dataset_types import CatalogDatasetPreview, ProvisionCdmSinkResult, provisioned
from metadata_api.schema.endpoint_mutations import EndpointMutations
from metadata_api.schema.inputs import IngestionUnitConfigInput, ProvisionCdmSinkInput
from metadata_api.schema.unit_lookups import last_status
from metadata_api.schema.vendor_filters import read_filters
from metadata_api.unit_settings import changed, read_schedule, shown_schedule

Info = strawberry.Info[Context, None]
ID = strawberry.ID
_SCHEDULE = ("schedule_kind", "schedule_interval_minutes", "schedule_cron")


@strawberry.type
class Mutation(EndpointMutations):
    """Operations that change something."""

    @strawberry.mutation
    def start_ingestion(
        self,
        info: Info,
        endpoint_id: strawberry.ID,
        unit_id: strawberry.ID,
        sink_id: str | None = None,
        sink_endpoint_id: strawberry.ID | None = None,
    ) -> types.IngestionActionResult:
        """Start a unit, or go on where a pause stopped it."""
        info.context.admin()
        started = actions.start_unit(info.context.services, endpoint_id, unit_id, sink_id, sink_endpoint_id)
        return _result(started.run, started.words)

    @strawberry.mutation
    def pause_ingestion(
        self, info: Info, endpoint_id: strawberry.ID, unit_id: strawberry.ID, sink_id: str | None = None
    ) -> types.IngestionActionResult:
        """Stop a unit after what is in hand, and hold its schedule until it is started again."""
        info.context.admin()
        run = actions.pause_unit(info.context.services, endpoint_id, unit_id, sink_id)
        if run is not None:
            return _result(run, "The run ends after what is in hand; then the unit is PAUSED")
        return types.IngestionActionResult(
            ok=True, run_id=None, state=types.IngestionState.PAUSED, message="No run was going on; the unit is held"
        )

    @strawberry.mutation
    def reset_ingestion_checkpoint(
        self, info: Info, endpoint_id: strawberry.ID, unit_id: strawberry.ID, sink_id: str | None = None
    ) -> types.IngestionActionResult:
        """Forget how far the unit was read; the next incremental run reads everything."""
        info.context.admin()
        was_there = actions.reset_checkpoint(info.context.services, endpoint_id, unit_id, sink_id)
        return _done(info, endpoint_id, unit_id, "Forgotten" if was_there else "There was no checkpoint")

    @strawberry.mutation
    def update_ingestion_watermark(
        self,
        info: Info,
        endpoint_id: strawberry.ID,
        unit_id: strawberry.ID,
        watermark: str | None = None,
        sink_id: str | None = None,
    ) -> types.IngestionActionResult:
        """Make the next incremental run begin elsewhere; without a watermark, from the beginning."""
        info.context.admin()
        words = actions.move_watermark(info.context.services, endpoint_id, unit_id, watermark, sink_id)
        return _done(info, endpoint_id, unit_id, words)

    @strawberry.mutation
    def configure_ingestion_unit(self, info: Info, input: IngestionUnitConfigInput) -> types.IngestionUnitConfig:  # noqa: A002
        """Set what is given for a unit and leave the rest; a schedule becomes a Prefect schedule."""
        workspace, services = info.context.admin(), info.context.services
        endpoint = read_endpoint(workspace, input.endpoint_id)
        unit = workspace.unit(input.endpoint_id, input.unit_id)
        before = workspace.units.config(input.endpoint_id, input.unit_id)
        changes = _changes(input, before, endpoint.about.selectors)
        changes |= _default_sink(workspace.default_sink, before, changes)
        base = before.model_copy(update={"policy": UnitPolicy()}) if input.policy is None else before
        after = changed(MetadataCache(workspace), endpoint, unit, base, changes)
        run_control.configure(workspace, before, after)
        services.metadata.forget()
        last = last_status(info.context, input.endpoint_id, input.unit_id)
        return showing.unit_config(endpoint.about, unit, after, last)

    @strawberry.mutation
    def provision_cdm_sink(self, info: Info, input: ProvisionCdmSinkInput) -> ProvisionCdmSinkResult:  # noqa: A002
        """Make a common model's table in a sink, or widen it, and put it into the sink's catalog."""
        made = provision_cdm(info.context.admin(), input.sink_endpoint_id, input.cdm_model_id)
        info.context.services.metadata.forget()
        return provisioned(input.sink_endpoint_id, made)

    @strawberry.mutation
    def preview_metadata_dataset(
        self,
        info: Info,
        id: strawberry.ID,  # noqa: A002
        limit: int | None = None,
    ) -> CatalogDatasetPreview:
        """The first rows of a dataset, at most fifty, asked of the source now."""
        return preview(info.context.admin(), id, limit)


def _changes(given: IngestionUnitConfigInput, before: UnitConfig, selectors: tuple[str, ...]) -> dict[str, Any]:
    """Fields of UnitConfig that the input says something about."""
    plain = UnitConfig(endpoint_id=before.endpoint_id, unit_id=before.unit_id)
    names = {"enabled": "enabled", "run_mode": "mode", "mode": "data_mode"}
    said = {
        field: getattr(given, name) for name, field in names.items() if getattr(given, name) is not strawberry.UNSET
    }
    lower = {field: value.lower() if isinstance(value, str) else value for field, value in said.items()}
    changes = {field: getattr(plain, field) if value is None else value for field, value in lower.items()}
    if (sink := _sink(given)) is not strawberry.UNSET:
        changes["sink_id"] = sink
    schedule = {name: getattr(given, name) for name in _SCHEDULE if getattr(given, name) is not strawberry.UNSET}
    if schedule:
        held = shown_schedule(before.schedule)
        there = dict(zip(_SCHEDULE, (None, held.interval_minutes, held.cron), strict=True))
        changes["schedule"] = read_schedule(*({**there, **schedule}[name] for name in _SCHEDULE))
    policy = {} if given.policy is strawberry.UNSET or given.policy is None else read_object(given.policy)
    if (chosen := read_filters(given, selectors)) is not None:
        policy["selectors"] = chosen
    return {**changes, **({"policy": policy} if policy else {})}


def _sink(given: IngestionUnitConfigInput) -> Any:
    """The one sink that is named, None to have none, UNSET when nothing is said; an empty text names none."""
    said = [each for each in (given.sink_id, given.sink_endpoint_id) if each is not strawberry.UNSET]
    return one_sink(*said) if said else strawberry.UNSET


def _default_sink(named: str | None, before: UnitConfig, changes: dict[str, Any]) -> dict[str, Any]:
    """The default sink as the unit's own where it needs one: a schedule and rows of a common model do."""
    after = {**before.model_dump(include={"sink_id", "schedule", "data_mode"}), **changes}
    needs = bool(after["schedule"]) or after["data_mode"] == "cdm"
    return {"sink_id": named} if needs and after["sink_id"] is None and named else {}


def _result(run: Run, words: str) -> types.IngestionActionResult:
    state = types.IngestionState(unit_state(run))
    return types.IngestionActionResult(ok=True, run_id=run.run_id, state=state, message=words)


def _done(info: Info, endpoint_id: str, unit_id: str, words: str) -> types.IngestionActionResult:
    state = last_status(info.context, endpoint_id, unit_id).state
    return types.IngestionActionResult(ok=True, run_id=None, state=state, message=words)
