"""What the graph is told, and when. It may be away: then a run goes on, and what was to be said waits in the outbox.

The outbox holds what to say, not the words: a catalog is read again when its turn comes, so the newest one is told.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from cdm_mappers.lineage import column_sources
from cdm_mappers.registry import CdmMapperRegistry
from contracts.errors import CdmModelUnsupportedError, IngestionError
from contracts.knowledge import Emission
from flows.blocks.types import factory_of
from knowledge.emissions import MappedUnit, catalog_ref, of_catalog, of_endpoint, of_models, of_run
from knowledge.entities import entities_ref
from state.keys import OUTBOX, outbox_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contracts.catalog import CatalogDiff, CatalogSnapshot
    from contracts.endpoint import EndpointDescriptor
    from contracts.model import Json
    from contracts.receipts import RunSummary
    from contracts.unit import EndpointUnitDescriptor
    from flows.wiring import Workspace

_log = logging.getLogger(__name__)


def save_catalog(workspace: Workspace, snapshot: CatalogSnapshot) -> CatalogDiff:
    """Keep the snapshot, and tell the graph; returns what changed since the one before.

    Raises:
        StateUnavailableError: The snapshot was not kept.
    """
    diff = workspace.catalogs.save(snapshot)
    endpoint_id = snapshot.endpoint_id
    _say(workspace, catalog_ref(endpoint_id), {"catalog": endpoint_id}, lambda: _tell_catalog(workspace, endpoint_id))
    return diff


def run_finished(workspace: Workspace, summary: RunSummary) -> None:
    """Tell the graph how the run ended."""
    emission = of_run(summary)
    intent: Json = {"run": emission.model_dump(mode="json"), "sink": summary.ref.sink_id}
    _say(workspace, emission.source_ref, intent, lambda: _tell_run(workspace, emission, summary.ref.sink_id))


def endpoint_removed(workspace: Workspace, endpoint_id: str) -> None:
    """Tell the graph that the endpoint and what it holds are gone."""
    for ref in (catalog_ref(endpoint_id), *_entity_refs(workspace, endpoint_id)):
        _say(workspace, ref, {"remove": ref}, partial(workspace.graph.remove, ref))


def _entity_refs(workspace: Workspace, endpoint_id: str) -> tuple[str, ...]:
    """Who may have spoken of the endpoint's entities."""
    try:
        datasets = workspace.catalogs.load(endpoint_id).datasets
    except IngestionError:  # never collected: then nothing was read of it
        return ()
    return tuple(entities_ref(endpoint_id, each.dataset_id) for each in datasets if each.kind == "entity")


def tell_again(workspace: Workspace) -> int:
    """Say what waits in the outbox; how much of it was said. The rest waits on.

    Raises:
        StateUnavailableError: The outbox cannot be read.
    """
    said = 0
    for entry in workspace.store.list(OUTBOX):
        try:
            _tell(workspace, entry.value)
        except Exception as error:  # noqa: BLE001 - one that cannot be said must not hold up the others
            _log.warning("The knowledge graph was not told of %s: %s", entry.key.key, error)
            continue
        workspace.store.delete(entry.key)
        said += 1
    return said


def _say(workspace: Workspace, key: str, intent: Json, tell: Callable[[], object]) -> None:
    """Tell now; what fails is kept for later. Neither may fail whoever calls: the rows are in the sink."""
    try:
        tell()
    except Exception as error:  # noqa: BLE001 - see above
        _log.warning("The knowledge graph was not told of %s; it is told later: %s", key, error)
        try:
            workspace.store.put(outbox_key(key), intent)
        except IngestionError as unavailable:
            _log.warning("Nor can it wait in the outbox: %s", unavailable)


def _tell(workspace: Workspace, intent: Json) -> None:
    if "catalog" in intent:
        _tell_catalog(workspace, str(intent["catalog"]))
    elif "remove" in intent:
        workspace.graph.remove(str(intent["remove"]))
    else:
        _tell_run(workspace, Emission.model_validate(intent["run"]), str(intent["sink"]))


def _tell_run(workspace: Workspace, emission: Emission, sink_id: str) -> None:
    """With the sink, where nothing was said of it: not every sink's catalog is collected."""
    sink = of_endpoint(sink_id, workspace.sink(sink_id).descriptor)
    known = workspace.graph.get(sink.node_id)
    if known is None or known.removed_at is not None:
        workspace.graph.upsert_entities(catalog_ref(sink_id), [sink])
    workspace.graph.emit(emission)


def _tell_catalog(workspace: Workspace, endpoint_id: str) -> None:
    about = factory_of(workspace.endpoints.template(endpoint_id)).descriptor
    snapshot = workspace.catalogs.load(endpoint_id)
    units = workspace.source(endpoint_id).list_units(snapshot) if "source" in about.roles else ()
    mapped = [*_mapped(about, units)]
    if mapped:
        from cdm_mappers.models import MODELS  # noqa: PLC0415 - loads polars

        workspace.graph.emit(of_models(MODELS.values()))
    workspace.graph.emit(of_catalog(snapshot, about, units, mapped))


def _mapped(about: EndpointDescriptor, units: tuple[EndpointUnitDescriptor, ...]) -> Iterator[MappedUnit]:
    from cdm_mappers.models import model_of  # noqa: PLC0415 - loads polars

    registry = CdmMapperRegistry()
    for unit in units:
        if unit.cdm_model_id is None:
            continue
        try:
            mapper, model = registry.find(about.family, unit.kind, unit.cdm_model_id), model_of(unit.cdm_model_id)
        except CdmModelUnsupportedError as error:
            _log.warning("The lineage of unit %s is not known: %s", unit.unit_id, error)
            continue
        yield MappedUnit(unit, unit.cdm_model_id, column_sources(mapper, model, unit.dataset))
