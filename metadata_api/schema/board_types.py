"""What a console lists: endpoints with how they are, units with where they stand, and what may be chosen for them."""
# ruff: noqa: D101 - the description is what clients read

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry

from contracts.catalog import CatalogDiff
from contracts.unit import EndpointUnitDescriptor, UnitConfig, UnitState
from metadata_api.metadata_cache import EndpointMetadata
from metadata_api.schema import showing
from metadata_api.schema.dataset_types import PageInfo
from metadata_api.schema.types import ErrorDetail, IngestionState
from metadata_api.schema.vendor_filters import FilterChoice
from metadata_api.unit_settings import shown_schedule

if TYPE_CHECKING:
    JSON = Any
else:
    from strawberry.scalars import JSON


@strawberry.type(description="How many units stand where; a unit with several sinks counts once for each.")
class UnitStateCounts:
    idle: int
    running: int
    paused: int
    failed: int
    succeeded: int


@strawberry.type(
    description="One endpoint in short. health is OFF, NEW (no catalog yet), FAILING (a unit failed last), "
    "BROKEN (its fields make no config) or OK."
)
class EndpointOverview:
    endpoint_id: strawberry.ID
    name: str
    template_id: str
    title: str
    roles: list[str]
    health: str
    collected_at: datetime | None
    unit_count: int
    states: UnitStateCounts


@strawberry.type(description="Where units stand, over all endpoints and for each.")
class IngestionOverview:
    states: UnitStateCounts
    endpoints: list[EndpointOverview]


@strawberry.type(description="One unit of a list, with what is set for it and where it stands in its sink.")
class IngestionUnitRow:
    unit_id: strawberry.ID
    dataset_id: strawberry.ID
    kind: str
    display_name: str
    enabled: bool
    run_mode: str
    mode: str
    sink_id: str
    schedule: str
    state: IngestionState
    waiting: str | None
    last_run_id: str | None
    last_run_at: datetime | None
    last_error: ErrorDetail | None
    stats: JSON | None


@strawberry.type(description="A page of units, ordered by id; stateCounts are of all that match the search.")
class IngestionUnitConnection:
    nodes: list[IngestionUnitRow]
    page_info: PageInfo
    total_count: int
    state_counts: UnitStateCounts


@strawberry.type(description="Whether a unit's rows can go to a sink: in which data modes, and why not in the others.")
class SinkChoice:
    sink_id: strawberry.ID
    display_name: str
    data_modes: list[str]
    reasons: list[str]
    needs_table: bool = strawberry.field(
        description="The unit's common model has no table there yet: make it with `provisionCdmSink`."
    )


@strawberry.type(description="What one selector of a source may hold now.")
class SelectorOptions:
    selector: str
    choices: list[FilterChoice]


@strawberry.type(description="What changed in one dataset, one line per change.")
class ChangedDataset:
    dataset_id: str
    lines: list[str]


@strawberry.type(description="What the last collection found otherwise than the one before it.")
class CatalogChanges:
    added: list[str]
    removed: list[str]
    changed: list[ChangedDataset]


@strawberry.type(description="What an error code means, and what it asks for; docs is a page of the documentation.")
class ErrorCodeInfo:
    code: str
    meaning: str
    phase: str
    recovery: list[str]
    docs: str


def shown_counts(states: Counter[str]) -> UnitStateCounts:
    """Counts by the names of states."""
    names = [each.value for each in IngestionState]
    return UnitStateCounts(**{name.lower(): states[name] for name in names})


def shown_unit_row(
    held: EndpointUnitDescriptor, config: UnitConfig, state: UnitState | None, sink_id: str
) -> IngestionUnitRow:
    """A unit; IDLE without a state."""
    status = showing.status(
        state or UnitState(endpoint_id=config.endpoint_id, unit_id=held.unit_id, sink_id=sink_id), None
    )
    return IngestionUnitRow(
        unit_id=strawberry.ID(held.unit_id),
        dataset_id=showing.dataset_key(config.endpoint_id, held.dataset_id),
        kind=held.kind,
        display_name=held.display_name,
        enabled=config.enabled,
        run_mode=config.mode,
        mode=config.data_mode,
        sink_id=sink_id,
        schedule=schedule_words(config.schedule),
        state=status.state,
        waiting=status.waiting,
        last_run_id=status.last_run_id,
        last_run_at=status.last_run_at,
        last_error=status.last_error_detail,
        stats=status.stats,
    )


def schedule_words(schedule: str | None) -> str:
    """For a person."""
    shown = shown_schedule(schedule)
    if shown.interval_minutes is not None:
        return f"every {shown.interval_minutes} min"
    return shown.cron or ""


def health_of(endpoint: EndpointMetadata, states: Counter[str]) -> str:
    """How the endpoint is, in one word."""
    if not endpoint.enabled:
        return "OFF"
    if endpoint.catalog is None and "source" in endpoint.about.roles and "sink" not in endpoint.about.roles:
        return "NEW"
    return "FAILING" if states["FAILED"] else "OK"


def shown_changes(diff: CatalogDiff) -> CatalogChanges:
    """A difference between two catalogs."""
    changed = [ChangedDataset(dataset_id=name, lines=[*lines]) for name, lines in sorted(diff.changed.items())]
    return CatalogChanges(added=[*diff.added], removed=[*diff.removed], changed=changed)
