from __future__ import annotations

import importlib
import importlib.util
import sys

import pytest

from connectors.iceberg.config import IcebergConfig
from connectors.load_config import load_config
from connectors.registry import EndpointRegistry
from contracts.errors import ConfigInvalidError, DependencyMissingError, EndpointUnknownError


@pytest.mark.parametrize(
    ("url", "kind", "place"),
    [
        ("iceberg+sqlite:///data/ware%20house", "sql", "/data/ware house"),
        ("iceberg+https://host:8181/api", "rest", "https://host:8181/api"),
        ("iceberg+http://host", "rest", "http://host"),
    ],
)
def test_a_url_says_it_all(url, kind, place):
    config = load_config(IcebergConfig, {"url": url}, "warehouse.iceberg")
    assert config.catalog_type == kind
    assert (config.warehouse if kind == "sql" else config.uri.get_secret_value()) == place


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"url": "iceberg+ftp://host"},
        {"catalog_type": "rest", "warehouse": "w"},
        {"catalog_type": "glue"},
        {"warehouse": "s3://bucket/prefix"},
    ],
)
def test_a_config_without_a_place_is_refused(fields):
    with pytest.raises(ConfigInvalidError):
        load_config(IcebergConfig, fields, "warehouse.iceberg")


def test_secrets_stay_secret():
    given = {"catalog_type": "rest", "uri": "http://u:hush@host", "token": "hush", "credential": "id:hush"}
    config = IcebergConfig.model_validate({**given, "secret_properties": {"s3.secret-access-key": "hush"}})
    assert "hush" not in f"{config!r} {config.model_dump_json()}"


def test_without_the_extra_the_registry_says_what_is_missing(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "pyiceberg" else find(name, *more)
    )
    monkeypatch.delitem(sys.modules, "connectors.iceberg.factory", raising=False)
    with pytest.raises(DependencyMissingError, match="pyiceberg"):
        EndpointRegistry().get("warehouse.iceberg")


def test_it_is_a_sink_only():
    factory = EndpointRegistry().get("warehouse.iceberg")
    with pytest.raises(EndpointUnknownError):
        factory.source(IcebergConfig(warehouse="/w"))
