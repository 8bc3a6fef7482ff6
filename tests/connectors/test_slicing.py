"""Slices that name keys: their parameters fit into a task's inputs, and together they name every key once."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.http.units import datasets
from connectors.jira import units as jira_units
from connectors.jira.config import JiraConfig
from connectors.jira.progress import JiraCheckpoint
from connectors.jira.source import JiraSource
from connectors.openshelf.config import OpenshelfConfig
from connectors.openshelf.source import OpenshelfSource
from connectors.postgres.config import PostgresConfig
from connectors.postgres.source import PostgresSource
from connectors.slicing import MAX_KEYS_BYTES, MAX_PARAMS_BYTES, key_chunks
from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor
from contracts.plan import IngestionPlan, IngestionSlice
from contracts.unit import EndpointUnitDescriptor, UnitPolicy

NOW = datetime(2025, 1, 31, tzinfo=UTC)
KEYS = {
    "numbers": [str(10**12 + number) for number in range(10_000)],
    "long": [f"{number:06d}-{'k' * 300}" for number in range(10_000)],
    "foreign": [f"{number:06d}-{'ключ' * 60}" for number in range(2_000)],
    "quoted": [f"{number:06d}-{chr(34) * 100}{chr(92) * 100}" for number in range(2_000)],
}


@given(st.lists(st.text() | st.lists(st.text(), max_size=3)), st.integers(1, 20), st.integers(10, 400))
def test_chunks_hold_every_key_once_in_order_and_stay_small(keys, max_keys, max_bytes):
    chunks = list(key_chunks(keys, max_keys, max_bytes))
    assert [key for chunk in chunks for key in chunk] == keys
    assert all(0 < len(chunk) <= max_keys for chunk in chunks)
    assert all(len(json.dumps(chunk)) <= max_bytes for chunk in chunks if len(chunk) > 1)


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("make", ["postgres", "jira_issues", "jira_comments", "paged"])
def test_repair_slices_are_small_and_name_every_key_once(make, keys):
    source, unit = globals()[make]()
    plan = plan_of(unit, [])
    (name,) = unit.primary_key
    made = source.repair_slices(plan, [{name: key} for key in keys], 7)
    assert made == source.repair_slices(plan, [{name: key} for key in keys], 7)
    assert_small_and_distinct(made, source.repair_slices(plan, [{name: key} for key in keys], 8))
    assert [key for piece in made for key in named_keys(piece)] == keys


@pytest.mark.parametrize("width", [3, 10, 255])
def test_late_slices_of_jira_are_small_and_ask_for_every_project_once(width):
    source, unit = jira_issues()
    projects = [f"P{number:05d}".ljust(width, "X") for number in range(3_000)]
    pieces = [
        IngestionSlice(key=key, sequence=index, params={"project": key, "jql": f'project = "{key}"'})
        for index, key in enumerate(projects)
    ]
    after = JiraCheckpoint(scope="").advanced(projects, NOW, census=False)
    plan = plan_of(unit, pieces).model_copy(update={"checkpoint_after": after})
    made = source.late_slices(plan, 3)
    assert_small_and_distinct(made, source.late_slices(plan, 4))
    assert made[0].key == "late-3"
    asked = [str(piece.params["jql"]).partition(" AND ")[0] for piece in made]
    assert [
        key for one in asked for key in one.removeprefix("project in (")[:-1].replace('"', "").split(", ")
    ] == projects
    assert all(f" AND updated >= {int(NOW.timestamp() * 1000)}" in str(piece.params["jql"]) for piece in made)


def assert_small_and_distinct(made, next_epoch):
    assert max(len(json.dumps(piece.params)) for piece in made) < MAX_PARAMS_BYTES
    assert max(len(piece.model_dump_json()) for piece in made) < MAX_PARAMS_BYTES
    names = [piece.key for piece in (*made, *next_epoch)]
    assert len(set(names)) == len(names)


def named_keys(piece):
    params = piece.params
    if "keys" not in params:
        return params.get("ids") or params["children"]
    listed = params["keys"]
    return [key for (key,) in (listed["values"] if isinstance(listed, dict) else listed)]


def plan_of(unit, slices):
    return IngestionPlan(
        endpoint_id="e", unit=unit, mode="full", strategy="s", slices=tuple(slices), policy=UnitPolicy()
    )


def postgres():
    dataset = DatasetDescriptor(
        dataset_id="public.t",
        kind="table",
        namespace="public",
        name="t",
        columns=(ColumnDescriptor(name="id", logical_type="string", declared_type="text"),),
        primary_key=("id",),
    )
    unit = EndpointUnitDescriptor(
        unit_id="public.t", dataset=dataset, kind="public.t", display_name="t", primary_key=("id",)
    )
    return PostgresSource(PostgresConfig(host="127.0.0.1", database="d", user="u")), unit


def jira_issues():
    return jira("issues")


def jira_comments():
    return jira("comments")


def jira(name):
    config = JiraConfig(base_url="http://127.0.0.1:1", email="a@example.com", api_token="token-of-a")
    source = JiraSource(config)
    catalog = CatalogSnapshot(endpoint_id="e", collected_at=NOW, datasets=jira_units.datasets("jira", [], 0))
    return source, next(unit for unit in source.list_units(catalog) if unit.dataset.name == name)


def paged():
    source = OpenshelfSource(OpenshelfConfig(base_url="http://127.0.0.1:1", token="token-of-a"))
    catalog = CatalogSnapshot(endpoint_id="e", collected_at=NOW, datasets=datasets("openshelf", "o", source.units))
    return source, next(unit for unit in source.list_units(catalog) if unit.dataset.name == "books")


def test_the_limit_leaves_room_for_the_other_parameters():
    assert MAX_KEYS_BYTES < MAX_PARAMS_BYTES <= 32 * 1024
