"""A unit that runs without a sink: its rows become entities of the knowledge graph, and go nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cdm_mappers.registry import mapper_for, model_for
from contracts.endpoint import PlanRequest
from contracts.errors import CdmModelUnsupportedError, CompletenessGapError, StageTooLargeError
from contracts.traits import SupportsLateSlices
from flows.stages.export import Export
from flows.stages.map import map_frame
from flows.stages.run import reading_view
from knowledge.entities import entity_kind, of_entities
from state.units import effective_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.endpoint import SourceEndpoint
    from contracts.knowledge import EmissionReceipt
    from contracts.mapping import CdmMapper
    from contracts.plan import IngestionPlan, IngestionSlice
    from flows.wiring import Workspace
    from knowledge.entities import EntityKind

MOST_ENTITIES = 10_000
"""Of one unit. They are held in memory while the unit is read."""


class Enrichment(NamedTuple):
    """What a unit told the graph."""

    node_type: str
    entities: int
    receipt: EmissionReceipt


def enrich(workspace: Workspace, endpoint_id: str, unit_id: str, policy: Mapping[str, Any] | None = None) -> Enrichment:
    """Read the whole unit and tell the graph of its entities; those that are gone are marked. All of them or none.

    Args:
        workspace: Endpoints, state and the graph.
        endpoint_id: The source.
        unit_id: A unit of its catalog.
        policy: Fields of the unit's policy to override.

    Raises:
        CdmModelUnsupportedError: The unit's rows are content, and no entities.
        StageTooLargeError: There are more than 10,000.
        CompletenessGapError: The source did not deliver all of the unit.
        StateUnavailableError: The graph is away; run it again.
    """
    unit, config = workspace.runnable(endpoint_id, unit_id)
    kind = entity_kind(unit)
    if kind is None:
        raise CdmModelUnsupportedError(
            f"Rows of unit {unit_id!r} are no projects, spaces, drives or people: they have no place in the graph",
            "Name a sink that the rows go to.",
            endpoint_id=endpoint_id,
            unit_id=unit_id,
        )
    source = workspace.source(endpoint_id)
    mapper = mapper_for(source, unit, model_for(unit, "cdm"))
    if mapper is None:
        raise TypeError("a unit with a common model has a mapper, or finding it raises")
    with reading_view(source) as view:
        plan = source.plan(
            PlanRequest(
                endpoint_id=endpoint_id,
                unit=unit,
                mode="full",
                policy=effective_policy(unit, config, policy),
                view=view,
            )
        )
        rows = _Reading(source, plan, mapper, kind, view).all_rows()
    emission = of_entities(endpoint_id, unit, kind, rows.values())
    return Enrichment(kind.node_type, len(rows), workspace.graph.emit(emission))


class _Reading:
    """The entities of a plan, by id."""

    def __init__(
        self, source: SourceEndpoint, plan: IngestionPlan, mapper: CdmMapper, kind: EntityKind, view: str | None
    ) -> None:
        self._source, self._plan, self._mapper, self._kind, self._view = source, plan, mapper, kind, view
        self._began_at = datetime.now(UTC)
        self._rows: dict[str, dict[str, Any]] = {}

    def all_rows(self) -> dict[str, dict[str, Any]]:
        for piece in self._plan.slices:
            self._read(piece)
        if isinstance(self._source, SupportsLateSlices):
            for piece in self._source.late_slices(self._plan, 1):
                self._read(piece)
        return self._rows

    def _read(self, piece: IngestionSlice) -> None:
        import polars as pl  # noqa: PLC0415 - slow to load

        batches, read = Export(self._source, self._plan, piece, self._view), 0
        try:
            for batch in batches:
                frame = pl.DataFrame(batch)
                read += frame.height
                mapped = map_frame(frame, self._mapper, self._plan, self._began_at)
                self._rows |= {row["cdm_id"]: row for row in mapped.select(self._kind.columns).to_dicts()}
                self._require_few()
        finally:
            batches.close()
        self._require_whole(piece, read, batches.report.expected_rows, batches.report.gaps)

    def _require_few(self) -> None:
        if len(self._rows) > MOST_ENTITIES:
            raise StageTooLargeError(
                f"Unit {self._plan.unit.unit_id!r} has more than {MOST_ENTITIES:,} entities: none was told",
                "Choose fewer by the unit's filter or selectors, or move its rows to a sink instead.",
                unit_id=self._plan.unit.unit_id,
                most=MOST_ENTITIES,
            )

    def _require_whole(self, piece: IngestionSlice, read: int, expected: int | None, gaps: tuple[str, ...]) -> None:
        if gaps or expected not in {None, read}:
            raise CompletenessGapError(
                f"{self._plan.unit.unit_id}, slice {piece.key}: {'; '.join(gaps) or f'{read} rows of {expected}'}",
                "Run it again; the graph keeps what it knew before.",
                gaps=list(gaps),
            )
