"""What may be asked, by viewers too."""

import strawberry

from contracts.unit import UnitState
from flows.blocks.types import factory_of
from flows.operations.statuses import ref_of
from metadata_api.metadata_cache import read_endpoint, read_sink, usable
from metadata_api.schema import showing, types
from metadata_api.schema.board_queries import BoardQueries
from metadata_api.schema.context import Context
from metadata_api.schema.dataset_queries import DatasetQueries
from metadata_api.schema.endpoint_queries import EndpointQueries
from metadata_api.schema.knowledge_queries import KnowledgeQueries
from metadata_api.schema.row_queries import RowQueries
from metadata_api.schema.run_queries import RunQueries
from metadata_api.schema.unit_lookups import configs_of, last_status, plain_config, sink_in_use, states_by_unit
from metadata_api.schema.vendor_filters import FilterQueries

Info = strawberry.Info[Context, None]


@strawberry.type(name="Query")
class QueryRoot(EndpointQueries, DatasetQueries, FilterQueries, KnowledgeQueries, RunQueries, BoardQueries, RowQueries):
    """Read-only operations."""

    @strawberry.field
    def ingestion_units(self, info: Info, endpoint_id: strawberry.ID) -> list[types.IngestionUnit]:
        """Units of the endpoint's catalog; none when it was never collected."""
        workspace = info.context.workspace
        found = read_endpoint(workspace, endpoint_id)
        configs = configs_of(workspace, endpoint_id)
        stats = {each.unit_id: each.stats for each in workspace.states.list(endpoint_id) if each.stats}
        return [
            showing.unit(
                found.about,
                each,
                configs.get(name) or plain_config(endpoint_id, name),
                stats.get(name),
                workspace.default_sink,
            )
            for name, each in found.units.items()
        ]

    @strawberry.field
    def ingestion_sinks(self, info: Info) -> list[types.IngestionSink]:
        """Endpoints that take rows."""
        workspace = info.context.workspace
        entries = workspace.endpoints.list()
        ids = [each.endpoint_id for each in entries if "sink" in factory_of(each.template_id).descriptor.roles]
        return [showing.sink(each) for each in usable(lambda one: read_sink(workspace, one), ids)]

    @strawberry.field
    def ingestion_statuses(self, info: Info, endpoint_id: strawberry.ID) -> list[types.IngestionStatus]:
        """Where the units of the endpoint stand; those that never ran are IDLE."""
        workspace = info.context.workspace
        endpoint = info.context.services.metadata.endpoint(endpoint_id)
        states = info.context.services.unit_states.states(endpoint_id)
        checkpoints = info.context.services.unit_states.cursors(endpoint_id)
        never = endpoint.units.keys() - {each.unit_id for each in states}
        sinks = {name: each.sink_id for name, each in configs_of(workspace, endpoint_id).items()} if never else {}
        default = workspace.default_sink or ""
        idle = [
            UnitState(endpoint_id=endpoint_id, unit_id=name, sink_id=sinks.get(name) or default)
            for name in sorted(never)
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
        states = states_by_unit(info.context.services.unit_states.states(endpoint_id))
        checkpoints = info.context.services.unit_states.cursors(endpoint_id)
        shown = []
        for name, each in found.units.items():
            config, there = configs.get(name) or plain_config(endpoint_id, name), states.get(name, [])
            sink_id = sink_in_use(config, there, workspace.default_sink)
            last = next((one for one in there if one.sink_id == sink_id), None)
            status = None if last is None else showing.status(last, checkpoints.get(ref_of(last)))
            shown.append(showing.unit_config(found.about, each, config, status))
        return shown
