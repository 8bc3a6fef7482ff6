"""What is said to the graph of a catalog, of the common models and of a run: pure functions from contracts to nodes.

=====================  ====================================================================================
edge                   from → to
=====================  ====================================================================================
``contains``           endpoint → dataset → column; endpoint → unit; cdm_table → cdm_column
``produces``           dataset → unit; unit → run
``maps_to``            unit → cdm_table
``lands_in``           unit → endpoint (the sink); run → endpoint
``derived_from``       cdm_column → column (with the unit whose mapper makes it so)
=====================  ====================================================================================
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from contracts.knowledge import MOST_TITLE_CHARACTERS, Emission, KbEdge, KbNode, node_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from contracts.catalog import CatalogSnapshot, DatasetDescriptor
    from contracts.endpoint import EndpointDescriptor
    from contracts.knowledge import EdgeType, NodeType
    from contracts.mapping import CdmModel
    from contracts.model import Json
    from contracts.receipts import RunSummary
    from contracts.unit import EndpointUnitDescriptor

MODELS_REF = "cdm"
_MOST_WATERMARK_CHARACTERS = 1_000
_MOST_GAPS = 5
_MOST_WORDS = 300


class MappedUnit(NamedTuple):
    """A unit and what its mapper makes of it."""

    unit: EndpointUnitDescriptor
    cdm_model_id: str
    sources: Mapping[str, tuple[str, ...]]
    """Common column to the dataset's columns that it is made from."""


def catalog_ref(endpoint_id: str) -> str:
    """Who speaks of an endpoint and what it holds."""
    return f"catalog:{endpoint_id}"


def of_endpoint(endpoint_id: str, about: EndpointDescriptor) -> KbNode:
    """The node of an endpoint: its template, and no word of its configuration."""
    facts = {"template_id": about.template_id, "family": about.family, "vendor": about.vendor}
    return _node("endpoint", (endpoint_id,), endpoint_id, {**facts, "roles": list(about.roles)})


def of_catalog(
    snapshot: CatalogSnapshot,
    about: EndpointDescriptor,
    units: Iterable[EndpointUnitDescriptor],
    mapped: Iterable[MappedUnit],
) -> Emission:
    """An endpoint, its datasets with their columns, its units, and which common columns are made of them."""
    endpoint = snapshot.endpoint_id
    here = of_endpoint(endpoint, about)
    nodes, edges = [here], []
    for dataset in snapshot.datasets:
        there = _dataset(endpoint, dataset)
        nodes.append(there)
        edges.append(_edge(here.node_id, "contains", there.node_id))
        for column in _columns(endpoint, dataset):
            nodes.append(column)
            edges.append(_edge(there.node_id, "contains", column.node_id))
    for unit in units:
        made = _unit(endpoint, unit)
        nodes.append(made)
        edges.append(_edge(here.node_id, "contains", made.node_id))
        edges.append(_edge(node_id("dataset", endpoint, unit.dataset_id), "produces", made.node_id))
    for each in mapped:
        edges.extend(_mapping(endpoint, each))
    return Emission(source_ref=catalog_ref(endpoint), nodes=nodes, edges=edges)


def of_models(models: Iterable[CdmModel]) -> Emission:
    """The common models with their columns, the same for every endpoint."""
    nodes, edges = [], []
    for model in models:
        facts = {"meaning": model.meaning[:_MOST_WORDS], "version": model.version, "key": list(model.key)}
        table = _node("cdm_table", (model.model_id,), model.model_id, facts)
        nodes.append(table)
        for column in model.columns:
            said = {"type": column.logical_type, "meaning": column.meaning[:_MOST_WORDS]}
            made = _node("cdm_column", (model.model_id, column.name), column.name, said)
            nodes.append(made)
            edges.append(_edge(table.node_id, "contains", made.node_id))
    return Emission(source_ref=MODELS_REF, nodes=nodes, edges=edges)


def of_run(summary: RunSummary) -> Emission:
    """The last run of a unit into a sink, with its counters; it takes the place of the run before."""
    ref = summary.ref
    place = (ref.endpoint_id, ref.unit_id, ref.sink_id)
    counters = {name for name in type(summary).model_fields if name.startswith(("rows_", "slices_", "bytes_"))}
    said = {*counters, "run_id", "mode", "strategy", "seconds", "started_at", "finished_at"}
    facts = summary.model_dump(mode="json", include=said)
    facts["watermark"] = _watermark(summary.checkpoint_after)
    facts["gaps"] = [gap[:_MOST_WORDS] for gap in summary.gaps[:_MOST_GAPS]]
    facts["gaps_count"] = len(summary.gaps)
    run = _node("run", place, f"Last run of {ref}", facts)
    unit, sink = node_id("unit", ref.endpoint_id, ref.unit_id), node_id("endpoint", ref.sink_id)
    edges = [
        _edge(unit, "produces", run.node_id),
        _edge(unit, "lands_in", sink),
        _edge(run.node_id, "lands_in", sink),
    ]
    return Emission(source_ref=f"run:{run.node_id}", nodes=[run], edges=edges)


def _dataset(endpoint: str, dataset: DatasetDescriptor) -> KbNode:
    title = f"{dataset.namespace}.{dataset.name}" if dataset.namespace else dataset.name
    facts = {"kind": dataset.kind, "columns": len(dataset.columns), "primary_key": list(dataset.primary_key)}
    return _node("dataset", (endpoint, dataset.dataset_id), title, facts)


def _columns(endpoint: str, dataset: DatasetDescriptor) -> Iterator[KbNode]:
    for column in dataset.columns:
        facts: dict[str, Any] = {"type": column.logical_type, "declared": column.declared_type[:_MOST_WORDS]}
        facts |= {"nullable": column.nullable, "key": column.name in dataset.primary_key}
        yield _node("column", (endpoint, dataset.dataset_id, column.name), column.name, facts)


def _unit(endpoint: str, unit: EndpointUnitDescriptor) -> KbNode:
    facts = {"kind": unit.kind, "modes": list(unit.supported_modes), "cdm_model_id": unit.cdm_model_id}
    return _node("unit", (endpoint, unit.unit_id), unit.display_name, facts)


def _mapping(endpoint: str, mapped: MappedUnit) -> Iterator[KbEdge]:
    unit, model = mapped.unit, mapped.cdm_model_id
    yield _edge(node_id("unit", endpoint, unit.unit_id), "maps_to", node_id("cdm_table", model))
    for name, sources in mapped.sources.items():
        for source in sources:
            column = node_id("column", endpoint, unit.dataset_id, source)
            yield _edge(node_id("cdm_column", model, name), "derived_from", column, {"unit_id": unit.unit_id})


def _watermark(checkpoint: Json | None) -> Any:
    if checkpoint is None:
        return None
    size = len(json.dumps(checkpoint))
    return checkpoint if size <= _MOST_WATERMARK_CHARACTERS else f"{size:,} characters: see the checkpoint"


def _node(node_type: NodeType, parts: tuple[str, ...], title: str, properties: Mapping[str, Any]) -> KbNode:
    return KbNode(
        node_id=node_id(node_type, *parts),
        node_type=node_type,
        title=title[:MOST_TITLE_CHARACTERS],
        properties=dict(properties),
    )


def _edge(from_id: str, edge_type: EdgeType, to_id: str, properties: Mapping[str, Any] | None = None) -> KbEdge:
    return KbEdge(from_id=from_id, edge_type=edge_type, to_id=to_id, properties=dict(properties or {}))
