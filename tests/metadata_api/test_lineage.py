"""Over GraphQL a column of a common model leads to the source columns it is made of, whatever they are called."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from cdm_mappers.models import model_of
from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor
from contracts.endpoint import EndpointDescriptor
from contracts.unit import EndpointUnitDescriptor
from flows.operations.lineage import column_origin, lineage
from knowledge.emissions import MappedUnit, of_catalog, of_models
from knowledge.layout import INDEXES, TABLES
from knowledge.sql_graph import SqlGraphStore
from metadata_api.schema.build import SCHEMA
from state.layout import TableLayout
from state.table import open_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ABOUT = EndpointDescriptor(
    template_id="x.y", family="x", vendor="y", title="", description="", fields=(), capabilities=(), roles=("source",)
)
MODEL = "cdm.work.project"
ODD = ("a:b", "100%", "%3A")


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Any]:
    """Two endpoints whose projects are mapped: one with odd names, one with a plain one."""
    graph = SqlGraphStore(open_database(f"sqlite:///{tmp_path}/k.db", TableLayout(TABLES, INDEXES)))
    graph.emit(of_models([model_of(MODEL)]))
    for endpoint, names in (("odd:one", ODD), ("plain", ("key",))):
        columns = tuple(ColumnDescriptor(name=name, logical_type="string", declared_type="text") for name in names)
        dataset = DatasetDescriptor(dataset_id="p:q", kind="entity", namespace="s", name="p", columns=columns)
        unit = EndpointUnitDescriptor(
            unit_id="p", kind="p", display_name="p", dataset=dataset, cdm_model_id=MODEL, supported_modes=("full",)
        )
        snapshot = CatalogSnapshot(endpoint_id=endpoint, collected_at=datetime.now(UTC), datasets=(dataset,))
        graph.emit(of_catalog(snapshot, ABOUT, [unit], [MappedUnit(unit, MODEL, {"cdm_id": names, "name": ()})]))
    yield SimpleNamespace(graph=graph)
    graph.close()


def test_a_dataset_leads_to_columns(workspace: Any) -> None:
    query = """query($d: ID!) { lineage(datasetId: $d) {
        nodes { id } columns { cdmModelId column sources { id datasetId column unitId } } } }"""
    answer = SCHEMA.execute_sync(
        query,
        {"d": "odd:one/p:q"},
        context_value=SimpleNamespace(workspace=workspace, role="viewer", names_operation=False),
    )
    assert answer.errors is None
    found = answer.data["lineage"]
    (made,) = found["columns"]
    assert (made["cdmModelId"], made["column"]) == (MODEL, "cdm_id")
    assert {(each["datasetId"], each["column"], each["unitId"]) for each in made["sources"]} == {
        ("odd:one/p:q", name, "p") for name in ODD
    }, "of this dataset only"
    assert {each["id"] for each in made["sources"]} <= {node["id"] for node in found["nodes"]}


def test_a_common_column_leads_to_every_endpoint(workspace: Any) -> None:
    origin = column_origin(workspace, MODEL, "cdm_id")
    assert {(each.endpoint_id, each.column) for each in origin.sources} == {
        *(("odd:one", name) for name in ODD), ("plain", "key")
    }  # fmt: skip
    query = 'query($m: String!) { columnLineage(cdmModelId: $m, column: "name") { column sources { id } } }'
    answer = SCHEMA.execute_sync(
        query, {"m": MODEL}, context_value=SimpleNamespace(workspace=workspace, role="viewer", names_operation=False)
    )
    assert (answer.errors, answer.data) == (None, {"columnLineage": {"column": "name", "sources": []}})
    assert lineage(workspace, "nobody", "nothing").nodes == ()
