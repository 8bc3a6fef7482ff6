"""What other programs call the datasets of every connector (OpenLineage, ``spec/Naming.md``); never with a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cdm_mappers.models import model_of
from connectors.registry import BUILT_IN, EndpointRegistry
from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.lineage import SupportsDatasetName, SupportsTargetName
from contracts.plan import IngestionPlan
from contracts.unit import EndpointUnitDescriptor, UnitPolicy

COLUMN = ColumnDescriptor(name="id", logical_type="int64", declared_type="bigint", nullable=False)
ORDERS = DatasetDescriptor(
    dataset_id="public.orders", kind="table", namespace="public", name="orders", columns=(COLUMN,), primary_key=("id",)
)
LOGIN = {"url": "postgresql://me:secret@db.example.com:6543/shop"}
API = {"email": "me@example.com", "api_token": "secret"}
SOURCES: list[tuple[str, dict[str, Any], str, str]] = [
    ("jdbc.postgres", LOGIN, "postgres://db.example.com:6543", "shop.public.orders"),
    (
        "jdbc.postgres",
        {"url": "postgresql:///shop?host=/var/run/pg"},
        "postgres://localhost:5432",
        "shop.public.orders",
    ),
    ("jdbc.postgres", {"url": "postgresql://a:1,b:2/shop"}, "postgres://a:1", "shop.public.orders"),
    ("jdbc.postgres", {"connection_options": "service=books"}, "postgres://books:5432", "postgres.public.orders"),
    ("jdbc.mysql", {"url": "mysql://me:secret@db.example.com/shop"}, "mysql://db.example.com:3306", "public.orders"),
    ("jdbc.sqlite", {"path": "/data/shop.db"}, "sqlite:///data/shop.db", "public.orders"),
    ("http.jira", {"base_url": "https://site.example.com", **API}, "https://site.example.com", "public.orders"),
    ("http.confluence", {"base_url": "https://site.example.com", **API}, "https://site.example.com", "public.orders"),
    (
        "http.onedrive",
        {"tenant": "t", "client_id": "c", "client_secret": "secret", "drive_ids": ["d"]},
        "https://graph.microsoft.com",
        "public.orders",
    ),
    (
        "http.openshelf",
        {"base_url": "https://me:secret@shelf.example.com/api", "token": "secret"},
        "https://shelf.example.com/api",
        "public.orders",
    ),
]
SINKS: list[tuple[str, dict[str, Any], str, str]] = [
    ("jdbc.postgres", {**LOGIN, "target_schema": "raw"}, "postgres://db.example.com:6543", "shop.raw.orders"),
    ("object.parquet", {"root": "s3://lake/below", "secret_access_key": "secret"}, "s3://lake", "below/public/orders"),
    ("object.parquet", {"root": "/lake"}, "file", "/lake/public/orders"),
    ("warehouse.iceberg", {"url": "iceberg+sqlite:///lake"}, "file:///lake", "public.orders"),
    (
        "warehouse.iceberg",
        {"catalog_type": "rest", "uri": "https://me:secret@rest.example.com/v?a=secret", "warehouse": "w"},
        "https://rest.example.com/v",
        "public.orders",
    ),
]


def plan(**changes: Any) -> IngestionPlan:
    unit = EndpointUnitDescriptor(
        unit_id="public.orders",
        kind="table",
        display_name="orders",
        dataset=ORDERS,
        primary_key=("id",),
        supported_modes=("full",),
    )
    return IngestionPlan(
        endpoint_id="shop", unit=unit, mode="full", strategy="", slices=(), policy=UnitPolicy(), **changes
    )


@pytest.mark.parametrize(("template", "config", "namespace", "name"), SOURCES)
def test_a_source_names_its_datasets(template: str, config: dict[str, Any], namespace: str, name: str) -> None:
    factory = EndpointRegistry().get(template)
    source = factory.source(factory.config_class.model_validate(config))
    assert isinstance(source, SupportsDatasetName)
    named = source.dataset_name(ORDERS)
    assert (named.namespace, named.name) == (namespace, name)
    source.close()


@pytest.mark.parametrize(("template", "config", "namespace", "name"), SINKS)
def test_a_sink_names_its_targets(template: str, config: dict[str, Any], namespace: str, name: str) -> None:
    factory = EndpointRegistry().get(template)
    sink = factory.sink(factory.config_class.model_validate(config))
    assert isinstance(sink, SupportsTargetName)
    named = sink.target_name(plan())
    assert (named.namespace, named.name) == (namespace, name)


def test_a_common_model_is_named_by_its_table() -> None:
    model = model_of("cdm.doc.item")
    for template, config, expected in (
        ("cdm.jdbc", LOGIN, ("postgres://db.example.com:6543", "shop.cdm_doc.cdm_item")),
        ("warehouse.iceberg", {"url": "iceberg+sqlite:///lake"}, ("file:///lake", "cdm_doc.cdm_item")),
    ):
        factory = EndpointRegistry().get(template)
        named = factory.sink(factory.config_class.model_validate(config)).target_name(plan(cdm_model=model))
        assert (named.namespace, named.name) == expected


def test_no_connector_is_left_out() -> None:
    registry = EndpointRegistry()
    roles = {(template, role) for template in BUILT_IN for role in registry.get(template).descriptor.roles}
    tried = {(row[0], "source") for row in SOURCES} | {(row[0], "sink") for row in SINKS} | {("cdm.jdbc", "sink")}
    assert roles <= tried, "give the new connector's names above"
    assert not Path("/lake").exists(), "naming touches nothing"
