"""What consoles list: where everything stands, pages of units, and what may be chosen for a unit.

Answered from the caches of the API, so that a page of a thousand units costs what a page of fifty does.
"""

from collections import Counter
from contextlib import suppress

import strawberry

from contracts.errors import (
    CatalogMissingError,
    ConfigInvalidError,
    DatasetNotInCatalogError,
    EndpointUnknownError,
    IngestionError,
    SinkNotProvisionedError,
)
from contracts.traits import SupportsFilterOptions
from contracts.unit import DataMode, EndpointUnitDescriptor, UnitConfig, UnitState
from flows.blocks.endpoints import EndpointEntry
from flows.blocks.types import factory_of
from flows.operations.statuses import ref_of
from metadata_api.checks import require_data_mode
from metadata_api.errors import MalformedError
from metadata_api.metadata_cache import SinkMetadata
from metadata_api.schema import showing
from metadata_api.schema.board_types import (
    CatalogChanges,
    EndpointOverview,
    ErrorCodeInfo,
    IngestionOverview,
    IngestionUnitConnection,
    SelectorOptions,
    SinkChoice,
    health_of,
    shown_changes,
    shown_counts,
    shown_unit_row,
)
from metadata_api.schema.context import Context
from metadata_api.schema.dataset_types import CatalogDataset, PageInfo, shown_dataset
from metadata_api.schema.endpoint_types import MetadataCollectionRun, last_collections
from metadata_api.schema.error_codes import known_code
from metadata_api.schema.types import IngestionState, IngestionUnit, IngestionUnitConfig
from metadata_api.schema.unit_lookups import newest_sink, states_by_unit
from metadata_api.schema.vendor_filters import FilterChoice
from metadata_api.services import ApiServices

Info = strawberry.Info[Context, None]
MOST_UNITS = 200
"""In one page."""
_DATA_MODES: tuple[DataMode, ...] = ("raw", "cdm")


@strawberry.type
class BoardQueries:
    """The part of Query that consoles list from."""

    @strawberry.field
    def ingestion_overview(self, info: Info) -> IngestionOverview:
        """Every endpoint and how many of its units stand where."""
        services = info.context.services
        by_endpoint: dict[str, Counter[str]] = {}
        for state in info.context.states(None):
            by_endpoint.setdefault(state.endpoint_id, Counter())[state.state] += 1
        profiles = services.workspace.profiles.list()
        shown = []
        for entry in services.workspace.endpoints.list():
            profile = profiles.get(entry.endpoint_id)
            counts = by_endpoint.get(entry.endpoint_id, Counter())
            with suppress(EndpointUnknownError):  # removed meanwhile
                shown.append(_overview(services, entry, (profile and profile.name) or entry.endpoint_id, counts))
        whole = sum(by_endpoint.values(), Counter[str]())
        whole["IDLE"] = sum(each.states.idle for each in shown)
        return IngestionOverview(states=shown_counts(whole), endpoints=shown)

    @strawberry.field
    def ingestion_unit_connection(
        self,
        info: Info,
        endpoint_id: strawberry.ID,
        search: str = "",
        state: IngestionState | None = None,
        first: int = 50,
        after: strawberry.ID | None = None,
    ) -> IngestionUnitConnection:
        """Units of the endpoint's catalog by id, at most 200: whose id or name contains the text, in the state."""
        if not 0 < first <= MOST_UNITS:
            raise MalformedError("A page has between 1 and 200 units", "Give first in these limits.")
        services, text = info.context.services, search.lower()
        endpoint = services.metadata.endpoint(endpoint_id)
        there = states_by_unit(info.context.states(endpoint_id))
        units = [each for name, each in sorted(endpoint.units.items()) if text in f"{name} {each.display_name}".lower()]
        configs, default = services.metadata.configs(endpoint_id), services.workspace.default_sink
        standing = {
            each.unit_id: _standing(configs.get(each.unit_id), there.get(each.unit_id, []), default) for each in units
        }
        counts = Counter[str]("IDLE" if held is None else held.state for held, _ in standing.values())
        wanted = [
            each
            for each in units
            if state is None or (held.state if (held := standing[each.unit_id][0]) else "IDLE") == state.value
        ]
        rest = [each for each in wanted if after is None or each.unit_id > after]
        page = rest[:first]
        rows = [
            shown_unit_row(each, services.metadata.config(endpoint_id, each.unit_id), *standing[each.unit_id])
            for each in page
        ]
        place = PageInfo(
            has_next_page=len(rest) > len(page),
            has_previous_page=len(rest) < len(wanted),
            start_cursor=rows[0].unit_id if rows else None,
            end_cursor=rows[-1].unit_id if rows else None,
        )
        return IngestionUnitConnection(
            nodes=rows, page_info=place, total_count=len(wanted), state_counts=shown_counts(counts)
        )

    @strawberry.field
    def ingestion_unit(self, info: Info, endpoint_id: strawberry.ID, unit_id: strawberry.ID) -> IngestionUnit | None:
        """One unit of the endpoint's catalog; null for no such unit."""
        services = info.context.services
        endpoint = services.metadata.endpoint(endpoint_id)
        unit = endpoint.units.get(unit_id)
        if unit is None:
            return None
        config = services.metadata.config(endpoint_id, unit_id)
        states = states_by_unit(info.context.states(endpoint_id)).get(unit_id, [])
        stats = next((each.stats for each in states if each.stats), None)
        return showing.unit(endpoint.about, unit, config, stats, services.workspace.default_sink)

    @strawberry.field
    def ingestion_unit_config(
        self, info: Info, endpoint_id: strawberry.ID, unit_id: strawberry.ID
    ) -> IngestionUnitConfig | None:
        """What is set for one unit of the catalog; null for no such unit."""
        services = info.context.services
        endpoint = services.metadata.endpoint(endpoint_id)
        unit = endpoint.units.get(unit_id)
        if unit is None:
            return None
        config = services.workspace.units.config(endpoint_id, unit_id)
        states = states_by_unit(info.context.states(endpoint_id)).get(unit_id, [])
        state, sink_id = _standing(config, states, services.workspace.default_sink)
        state = state or UnitState(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id)
        status = showing.status(state, services.unit_states.cursors(endpoint_id).get(ref_of(state)))
        return showing.unit_config(endpoint.about, unit, config, status)

    @strawberry.field
    def ingestion_unit_dataset(
        self, info: Info, endpoint_id: strawberry.ID, unit_id: strawberry.ID
    ) -> CatalogDataset | None:
        """The dataset behind one unit of the endpoint's catalog; null for no such unit."""
        endpoint = info.context.services.metadata.endpoint(endpoint_id)
        unit = endpoint.units.get(unit_id)
        return None if unit is None or endpoint.catalog is None else shown_dataset(endpoint.catalog, unit.dataset)

    @strawberry.field
    def collection_runs(self, info: Info, endpoint_id: strawberry.ID, first: int = 5) -> list[MetadataCollectionRun]:
        """The latest collections of the endpoint's catalog, newest first; at most 50."""
        return last_collections(info.context, endpoint_id, first)

    @strawberry.field
    def ingestion_sink_choices(
        self, info: Info, endpoint_id: strawberry.ID, unit_id: strawberry.ID
    ) -> list[SinkChoice]:
        """Every sink, with the data modes in which it takes the unit's rows, and why it does not in the others."""
        services = info.context.services
        unit = services.metadata.endpoint(endpoint_id).units.get(unit_id)
        if unit is None:
            raise DatasetNotInCatalogError(
                f"Unit {unit_id[:200]!r} is not in the catalog", "Collect the catalog again."
            )
        return [_choice(unit, each) for each in services.metadata.sinks() if each.sink_id != endpoint_id]

    @strawberry.field
    def ingestion_filter_options(self, info: Info, endpoint_id: strawberry.ID) -> list[SelectorOptions]:
        """What each selector of the source may hold now, asked of the source; none for a source without selectors."""
        workspace = info.context.workspace
        if not info.context.services.metadata.endpoint(endpoint_id).about.selectors:
            return []
        source = workspace.source(endpoint_id)
        offered = source.filter_options() if isinstance(source, SupportsFilterOptions) else {}
        return [
            SelectorOptions(
                selector=name, choices=[FilterChoice(value=each.value, label=each.label) for each in options]
            )
            for name, options in offered.items()
        ]

    @strawberry.field
    def catalog_changes(self, info: Info, endpoint_id: strawberry.ID) -> CatalogChanges | None:
        """What the last collection found otherwise than the one before; null when there was none."""
        workspace = info.context.workspace
        workspace.endpoints.template(endpoint_id)
        try:
            return shown_changes(workspace.catalogs.diff(endpoint_id))
        except CatalogMissingError:
            return None

    @strawberry.field
    def error_code(self, code: str) -> ErrorCodeInfo | None:
        """What a code of an error means; null for one that there is not."""
        return known_code(code)


def _overview(services: ApiServices, entry: EndpointEntry, name: str, counts: Counter[str]) -> EndpointOverview:
    about = factory_of(entry.template_id).descriptor
    endpoint = None
    with suppress(ConfigInvalidError):  # edited by hand so that its fields make no config: told as its health
        endpoint = services.metadata.endpoint(entry.endpoint_id)
    known = 0 if endpoint is None else len(endpoint.units)
    counted = Counter(counts)
    counted["IDLE"] += max(0, known - counts.total())
    catalog = None if endpoint is None else endpoint.catalog
    return EndpointOverview(
        endpoint_id=strawberry.ID(entry.endpoint_id),
        name=name,
        template_id=about.template_id,
        title=about.title,
        roles=[*about.roles],
        health="BROKEN" if endpoint is None else health_of(endpoint, counts),
        collected_at=None if catalog is None else catalog.collected_at,
        unit_count=known,
        states=shown_counts(counted),
    )


def _standing(
    config: UnitConfig | None, states: list[UnitState], default_sink: str | None
) -> tuple[UnitState | None, str]:
    """The unit's state in its sink, and the sink; as ``sink_in_use`` says, for units of which nothing may be set."""
    sink_id = (config and config.sink_id) or newest_sink(states, default_sink)
    return next((each for each in states if each.sink_id == sink_id), None), sink_id


def _choice(unit: EndpointUnitDescriptor, sink: SinkMetadata) -> SinkChoice:
    fitting: list[str] = []
    reasons: list[str] = []
    needs_table = False
    for mode in _DATA_MODES:
        try:
            require_data_mode(unit, sink, mode)
        except IngestionError as error:
            reasons.append(f"{mode}: {error}")
            needs_table = needs_table or isinstance(error, SinkNotProvisionedError)
        else:
            fitting.append(mode)
    title = f"{sink.sink_id} ({sink.about.title})"
    return SinkChoice(
        sink_id=strawberry.ID(sink.sink_id),
        display_name=title,
        data_modes=fitting,
        reasons=reasons,
        needs_table=needs_table,
    )
