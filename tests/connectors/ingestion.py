"""One source, one sink and staging in memory: runs of units, each from the checkpoint of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from cdm_mappers.models import model_of
from cdm_mappers.registry import CdmMapperRegistry
from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.cdm_jdbc.sink import CdmSink
from connectors.postgres.client import PostgresClient
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from contracts.receipts import RunRef
from contracts.unit import UnitPolicy
from flows.stages.plan import RunRequest
from flows.stages.run import UnitRun
from staging.memory import MemoryStaging

if TYPE_CHECKING:
    from contracts.endpoint import SinkEndpoint, SourceEndpoint
    from contracts.model import Json
    from contracts.receipts import RunSummary
    from contracts.unit import DataMode, EndpointUnitDescriptor, IngestionMode


class Ingestion:
    """Runs units of a source into a Postgres sink, and remembers their checkpoints as an operator's system does.

    A connector's tests derive from it what opens the source, and what compares both sides.

    Args:
        source: Closed with this.
        sink: Closed with this.
        sink_url: Where to look at what the sink holds.
        endpoint_id: Of the source.
        sink_id: Of the sink.
    """

    def __init__(
        self, source: SourceEndpoint, sink: SinkEndpoint, sink_url: str, *, endpoint_id: str, sink_id: str
    ) -> None:
        self.source, self.sink, self.staging = source, sink, MemoryStaging()
        self.endpoint_id, self.sink_id = endpoint_id, sink_id
        self.checkpoints: dict[str, Json | None] = {}
        """By unit id."""
        self.sink_reader = PostgresClient(PostgresConfig.model_validate({"url": sink_url}), "sink")

    def unit(self, name: str) -> EndpointUnitDescriptor:
        """The unit with this dataset name or unit id, from a catalog collected now."""
        catalog = self.source.collect_catalog(self.endpoint_id)
        return next(one for one in self.source.list_units(catalog) if name in {one.unit_id, one.dataset.name})

    def request(self, name: str, mode: IngestionMode = "full", *, fresh: bool = False, **policy: Any) -> RunRequest:
        """A run of the unit from where the one before ended; ``policy`` changes the unit's own."""
        unit = self.unit(name)
        return RunRequest(
            ref=RunRef(endpoint_id=self.endpoint_id, unit_id=unit.unit_id, sink_id=self.sink_id),
            unit=unit,
            mode=mode,
            policy=UnitPolicy.model_validate({**unit.default_policy.model_dump(), **policy}),
            checkpoint=self.checkpoints.get(unit.unit_id),
            fresh=fresh,
        )

    def execute(self, request: RunRequest, **how: Any) -> RunSummary:
        """The run to its end; raises what it raises. ``how`` goes to :class:`UnitRun`."""
        summary = UnitRun(self.source, self.sink, self.staging, request, **{"keep_staged": False, **how}).execute()
        self.checkpoints[request.ref.unit_id] = summary.checkpoint_after
        return summary

    def run(self, name: str, mode: IngestionMode = "full", observer: Any = None, **how: Any) -> RunSummary:
        """One run of the unit to its end."""
        return self.execute(self.request(name, mode, **how), observer=observer)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the sink; cast to text, bigint or boolean."""
        with self.sink_reader.session() as session:
            return session.rows(sql)

    def close(self) -> None:
        """Close connections."""
        self.source.close()
        self.sink.close()
        self.sink_reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SiteIngestion(Ingestion):
    """Runs of an API's units into one database, as raw rows or as rows of the common model that a unit has."""

    def __init__(self, source: SourceEndpoint, sink_url: str, *, endpoint_id: str, data_mode: DataMode = "raw") -> None:
        sink = (
            CdmSink(CdmJdbcConfig.model_validate({"url": sink_url}))
            if data_mode == "cdm"
            else PostgresSink(PostgresConfig.model_validate({"url": sink_url}))
        )
        super().__init__(source, sink, sink_url, endpoint_id=endpoint_id, sink_id=data_mode)
        self.data_mode = data_mode
        self._units: dict[str, EndpointUnitDescriptor] = {}

    def unit(self, name: str) -> EndpointUnitDescriptor:
        """A unit of a catalog collected once."""
        if not self._units:
            catalog = self.source.collect_catalog(self.endpoint_id)
            self._units = {unit.dataset.name: unit for unit in self.source.list_units(catalog)}
        return self._units[name]

    def request(self, name: str, mode: IngestionMode = "full", **policy: Any) -> RunRequest:
        """What a run of the unit is asked; in data mode cdm its table is made first."""
        request = super().request(name, mode, **policy)
        if not isinstance(self.sink, CdmSink) or request.unit.cdm_model_id is None:
            return request
        model = model_of(request.unit.cdm_model_id)
        self.sink.provision_model(model)
        return request.model_copy(update={"cdm_model": model})

    def execute(self, request: RunRequest, **how: Any) -> RunSummary:
        """With the mapper to the common model, if there is one."""
        if (model := request.cdm_model) is not None:
            how |= {"mapper": CdmMapperRegistry().find("http", request.unit.kind, model.model_id), "keep_staged": True}
        return super().execute(request, **how)
