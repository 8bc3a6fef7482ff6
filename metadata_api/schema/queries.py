"""What may be asked, by viewers too."""

from datetime import UTC, datetime

import strawberry

from contracts.catalog import CatalogSnapshot
from contracts.errors import CatalogMissingError, EndpointUnknownError
from contracts.receipts import RunRef
from contracts.unit import UnitConfig, UnitState
from flows.blocks.types import REGISTRY
from flows.operations.statuses import ref_of, state_of
from flows.wiring import Workspace
from metadata_api.errors import MalformedError
from metadata_api.metadata_cache import descriptor, read_endpoint, read_sink
from metadata_api.schema import showing, types
from metadata_api.schema.context import Context
from metadata_api.schema.vendor_filters import FilterQueries

Info = strawberry.Info[Context, None]


@strawberry.type(name="Query")
class QueryRoot(FilterQueries):
    """Read-only operations."""

    @strawberry.field
    def metadata_endpoint_templates(self, family: str | None = None) -> list[types.EndpointTemplate]:
        """Kinds of endpoints that can be registered."""
        return [showing.template(each) for each in REGISTRY.descriptors() if family in {None, each.family}]

    @strawberry.field
    def endpoint_templates(self, family: str | None = None) -> list[types.EndpointTemplate]:
        """The same under its older name."""
        return [showing.template(each) for each in REGISTRY.descriptors() if family in {None, each.family}]

    @strawberry.field
    def metadata_endpoints(self, info: Info) -> list[types.MetadataEndpoint]:
        """Every registered endpoint."""
        workspace = info.context.workspace
        return [shown_endpoint(workspace, each.endpoint_id) for each in workspace.endpoints.list()]

    @strawberry.field
    def metadata_endpoint(self, info: Info, id: strawberry.ID) -> types.MetadataEndpoint | None:  # noqa: A002
        """One endpoint, or null."""
        try:
            return shown_endpoint(info.context.workspace, id)
        except EndpointUnknownError:
            return None

    @strawberry.field
    def catalog_datasets(
        self,
        info: Info,
        endpoint_id: strawberry.ID | None = None,
        search: str | None = None,
        labels: list[str] | None = None,
    ) -> list[types.MetadataDataset]:
        """Catalogued datasets: of one endpoint, whose id or comment contains the text, that carry all the labels."""
        workspace = info.context.workspace
        ids = [str(endpoint_id)] if endpoint_id else [each.endpoint_id for each in workspace.endpoints.list()]
        if endpoint_id:
            workspace.endpoints.template(endpoint_id)
        wanted, text = set(labels or ()), (search or "").lower()
        return [
            showing.dataset(one, each)
            for one in ids
            for each in catalog_of(workspace, one).datasets
            if wanted <= set(each.labels) and text in f"{each.dataset_id} {each.comment or ''}".lower()
        ]

    @strawberry.field
    def metadata_dataset(self, info: Info, id: strawberry.ID) -> types.MetadataDataset | None:  # noqa: A002
        """One dataset, or null."""
        endpoint_id, dataset_id = split_dataset(id)
        found = [
            each for each in catalog_of(info.context.workspace, endpoint_id).datasets if each.dataset_id == dataset_id
        ]
        return showing.dataset(endpoint_id, found[0]) if found else None

    @strawberry.field
    def ingestion_units(self, info: Info, endpoint_id: strawberry.ID) -> list[types.IngestionUnit]:
        """Units of the endpoint's catalog; none when it was never collected."""
        workspace = info.context.workspace
        found = read_endpoint(workspace, endpoint_id)
        configs = configs_of(workspace, endpoint_id)
        stats = {each.unit_id: each.stats for each in workspace.states.list(endpoint_id) if each.stats}
        return [
            showing.unit(
                endpoint_id, found.about, each, configs.get(name) or _plain(endpoint_id, name), stats.get(name)
            )
            for name, each in found.units.items()
        ]

    @strawberry.field
    def ingestion_sinks(self, info: Info) -> list[types.IngestionSink]:
        """Endpoints that take rows."""
        workspace = info.context.workspace
        ids = [each.endpoint_id for each in workspace.endpoints.list()]
        return [showing.sink(read_sink(workspace, one)) for one in ids if "sink" in descriptor(workspace, one).roles]

    @strawberry.field
    def ingestion_statuses(self, info: Info, endpoint_id: strawberry.ID) -> list[types.IngestionStatus]:
        """Where the units of the endpoint stand; those that never ran are IDLE."""
        workspace = info.context.workspace
        endpoint = info.context.services.metadata.endpoint(endpoint_id)
        states = info.context.services.unit_states.states(endpoint_id)
        checkpoints = info.context.services.unit_states.cursors(endpoint_id)
        never = endpoint.units.keys() - {each.unit_id for each in states}
        sinks = {name: each.sink_id for name, each in configs_of(workspace, endpoint_id).items()} if never else {}
        idle = [
            UnitState(endpoint_id=endpoint_id, unit_id=name, sink_id=sinks.get(name) or "") for name in sorted(never)
        ]
        return [showing.status(each, checkpoints.get(ref_of(each))) for each in (*states, *idle)]

    @strawberry.field
    def ingestion_status(
        self, info: Info, endpoint_id: strawberry.ID, unit_id: strawberry.ID
    ) -> types.IngestionStatus | None:
        """Where the unit stands in its own sink, else in the one it ran into last; null for no such unit."""
        endpoint = info.context.services.metadata.endpoint(endpoint_id)
        if unit_id not in endpoint.units:
            return None
        return last_status(info.context, endpoint_id, unit_id)

    @strawberry.field
    def ingestion_unit_configs(self, info: Info, endpoint_id: strawberry.ID) -> list[types.IngestionUnitConfig]:
        """What is set for each unit of the catalog."""
        workspace = info.context.workspace
        found = read_endpoint(workspace, endpoint_id)
        configs = configs_of(workspace, endpoint_id)
        states = {ref_of(each): each for each in info.context.services.unit_states.states(endpoint_id)}
        checkpoints = info.context.services.unit_states.cursors(endpoint_id)
        last = {ref: showing.status(each, checkpoints.get(ref)) for ref, each in states.items()}
        return [
            showing.unit_config(found.about, each, config, last.get(_ref_of(config)))
            for name, each in found.units.items()
            for config in [configs.get(name) or _plain(endpoint_id, name)]
        ]


def shown_endpoint(workspace: Workspace, endpoint_id: str) -> types.MetadataEndpoint:
    """The endpoint with its secrets masked; raises EndpointUnknownError."""
    about = descriptor(workspace, endpoint_id)
    entry = next(each for each in workspace.endpoints.list() if each.endpoint_id == endpoint_id)
    try:
        catalog: CatalogSnapshot | None = workspace.catalogs.load(endpoint_id)
    except CatalogMissingError:
        catalog = None
    return showing.endpoint(entry, about, catalog, enabled=workspace.switches.is_on(endpoint_id))


def last_status(context: Context, endpoint_id: str, unit_id: str) -> types.IngestionStatus:
    """Where the unit stands in its own sink, else in the one it ran into last."""
    workspace = context.workspace
    sink_id = workspace.units.config(endpoint_id, unit_id).sink_id
    if sink_id is None:
        states = [each for each in workspace.states.list(endpoint_id) if each.unit_id == unit_id]
        newest = max(states, key=lambda each: each.last_run_at.timestamp() if each.last_run_at else 0.0, default=None)
        sink_id = "" if newest is None else newest.sink_id
    ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=sink_id)
    state = state_of(workspace, ref)
    saved = workspace.checkpoints(workspace.vendor(endpoint_id)).load(ref) if sink_id else None
    return showing.status(state, None if saved is None else dict(saved.cursor))


def split_dataset(key: str) -> tuple[str, str]:
    """Endpoint and dataset of a dataset's id; raises MalformedError."""
    endpoint_id, sign, dataset_id = key.partition("/")
    if not (endpoint_id and sign and dataset_id):
        raise MalformedError("This is no id of a dataset", "It reads `<endpoint>/<dataset>`.")
    return endpoint_id, dataset_id


def catalog_of(workspace: Workspace, endpoint_id: str) -> CatalogSnapshot:
    """The catalog; an empty one when it was never collected."""
    try:
        return workspace.catalogs.load(endpoint_id)
    except CatalogMissingError:
        return CatalogSnapshot(endpoint_id=endpoint_id, collected_at=datetime.now(UTC), datasets=())


def configs_of(workspace: Workspace, endpoint_id: str) -> dict[str, UnitConfig]:
    """What operators set, by unit."""
    return {each.unit_id: each for each in workspace.units.list(endpoint_id)}


def _plain(endpoint_id: str, unit_id: str) -> UnitConfig:
    return UnitConfig(endpoint_id=endpoint_id, unit_id=unit_id)


def _ref_of(config: UnitConfig) -> RunRef:
    return RunRef(endpoint_id=config.endpoint_id, unit_id=config.unit_id, sink_id=config.sink_id or "")
