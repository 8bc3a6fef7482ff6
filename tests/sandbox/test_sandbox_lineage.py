"""The receiver of lineage events takes what the standard asks for, and nothing else."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import httpx
import pytest
from openlineage.client.event_v2 import InputDataset, Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import column_lineage_dataset, schema_dataset
from openlineage.client.serde import Serde

from sandbox.lineage import SandboxLineage, problem_of


def valid() -> dict[str, Any]:
    made_of = column_lineage_dataset.InputField("file", "/a", "id")
    facets = {
        "schema": schema_dataset.SchemaDatasetFacet([schema_dataset.SchemaDatasetFacetFields("id", "bigint")]),
        "columnLineage": column_lineage_dataset.ColumnLineageDatasetFacet(
            {"id": column_lineage_dataset.Fields([made_of])}
        ),
    }
    event = RunEvent(
        eventType=RunState.START,
        eventTime="2026-11-27T01:02:03+00:00",
        run=Run("0192d1b6-4f3c-7d2e-9a55-0a1b2c3d4e5f"),
        job=Job("nucleus", "shop.orders.lake"),
        inputs=[InputDataset("file", "/a", facets=facets)],
        producer="urn:nucleus-ingestion:test",
    )
    return Serde.to_dict(event)


def test_a_valid_event_is_taken_and_another_refused():
    with SandboxLineage() as there:
        url = f"{there.url}/api/v1/lineage"
        assert httpx.post(url, json=valid()).status_code == 201
        assert httpx.post(url, json={"eventType": "START"}).status_code == 422
        assert httpx.get(url).status_code == 404
    assert there.of("shop.orders.lake") == [valid()]
    assert len(there.refusals) == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("eventType",), "BEGUN"),
        (("eventTime",), "2026-11-27T01:02:03"),
        (("run", "runId"), "17"),
        (("job", "name"), None),
        (("job", "nam"), "x"),
        (("producer",), "nobody"),
        (("inputs", 0, "namespace"), 5),
        (("inputs", 0, "facets", "schema", "fields", 0, "type"), 5),
        (("inputs", 0, "facets", "schema", "_producer"), None),
        (("inputs", 0, "facets", "schema", "_schemaURL"), "https://example.com/schema.json"),
        (("inputs", 0, "facets", "columnLineage", "fields", "id", "inputFields", 0, "field"), None),
        (("inputs", 0, "inputFacets", "schema"), {"_producer": "urn:x", "_schemaURL": "urn:y"}),
    ],
)
def test_what_is_not_of_the_standard_is_named(path: tuple[Any, ...], value: Any):
    event = deepcopy(valid())
    holder = event
    for step in path[:-1]:
        holder = holder.setdefault(step, {}) if isinstance(holder, dict) else holder[step]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    assert problem_of(event) is not None
    assert problem_of(valid()) is None


def test_a_facet_under_another_name_is_refused():
    event = valid()
    facets = event["inputs"][0]["facets"]
    facets["columns"] = facets.pop("columnLineage")
    assert "facet columns" in (problem_of(event) or "")
