"""A block's form shows what its config class says, and a saved block becomes the config again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from contracts.errors import ConfigInvalidError, EndpointUnknownError
from flows.blocks import types as blocks
from flows.blocks.staging import CLASSES, load_staging
from staging.config import LocalStagingConfig, S3StagingConfig

if TYPE_CHECKING:
    from pathlib import Path

    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace

TEMPLATE = "jdbc.postgres"


def test_every_template_has_a_form() -> None:
    for template_id in blocks.REGISTRY.template_ids():
        kind = blocks.endpoint_block(template_id)
        config_class = blocks.REGISTRY.get(template_id).config_class
        assert kind.get_block_type_slug() == "nucleus-" + template_id.replace(".", "-")
        assert set(kind.model_fields) == set(config_class.model_fields)
        assert all(field.description for field in kind.model_fields.values())


def test_the_form_masks_secrets_and_offers_choices() -> None:
    schema = blocks.endpoint_block(TEMPLATE).model_json_schema()
    assert set(schema["secret_fields"]) == {"url", "password", "connection_options"}
    assert schema["properties"]["password"]["anyOf"][0]["format"] == "password"
    assert "verify-full" in schema["properties"]["ssl_mode"]["enum"]
    assert schema["properties"]["port"]["maximum"] == 65535
    assert schema["properties"]["host"]["description"]


def test_there_and_back() -> None:
    kind = blocks.endpoint_block(TEMPLATE)
    config = kind(url="postgresql://me:secret@db:5433/shop", include_schemas=["a", "b"]).to_config()  # type: ignore[call-arg]
    assert (config.host, config.port, config.database, config.include_schemas) == ("db", 5433, "shop", ("a", "b"))
    block = kind.from_config(config)
    assert "secret" not in repr(block)
    assert block.to_config() == config


def test_an_older_or_half_filled_document_still_loads() -> None:
    config = blocks.config_of(TEMPLATE, {"host": "db", "removed_long_ago": 1, "application_name": None})
    assert (config.host, config.application_name) == ("db", "nucleus")
    with pytest.raises(ConfigInvalidError):
        blocks.config_of(TEMPLATE, {"port": "many"})


@pytest.mark.parametrize("wrong", ["", "A", "a_b", "a.b", "a b", "ü", "a\n", "-a", "a--b"])
def test_ids(wrong: str) -> None:
    assert blocks.check_id("a-1-b") == "a-1-b"
    with pytest.raises(ConfigInvalidError):
        blocks.check_id(wrong)


def test_registered_endpoints(workspace: Workspace) -> None:
    endpoints = workspace.endpoints
    endpoints.add("shop", TEMPLATE, {"url": "postgresql://me:canary-1@db/shop"})
    try:
        with pytest.raises(ConfigInvalidError, match="registered"):
            endpoints.add("shop", TEMPLATE, {"host": "other"})
        first = workspace.source("shop")
        assert workspace.source("shop") is first
        endpoints.add("shop", TEMPLATE, {"url": "postgresql://me:canary-2@db/shop"}, replace=True)
        assert workspace.source("shop") is not first, "a rotated secret makes a new source"
        template_id, config = endpoints.get("shop")
        assert (template_id, config.password) == (TEMPLATE, SecretStr("canary-2"))
        assert "canary" not in str(endpoints.list())
        assert blocks.endpoint_block(TEMPLATE).load("shop").to_config() == config
        with pytest.raises(ConfigInvalidError, match="hots"):
            endpoints.add("other", TEMPLATE, {"hots": "db"})
    finally:
        assert endpoints.remove("shop")
    with pytest.raises(EndpointUnknownError):
        endpoints.get("shop")


def test_staging_blocks(workspace: Workspace, plane: ControlPlane, tmp_path: Path) -> None:
    from prefect_aws import MinIOCredentials  # noqa: PLC0415 - slow to load

    from flows.blocks.s3 import S3StagingBlock  # noqa: PLC0415

    blocks.LocalStagingBlock(folder=str(tmp_path / "made")).save("here", overwrite=True)
    assert load_staging(workspace.documents, "here") == LocalStagingConfig(path=tmp_path / "made")
    login = MinIOCredentials(minio_root_user="me", minio_root_password=SecretStr("canary"))
    login.save("bucket-login", overwrite=True)
    S3StagingBlock(bucket="b", endpoint_url="http://127.0.0.1:1", credentials=login).save("there", overwrite=True)
    config = load_staging(workspace.documents, "there")
    assert isinstance(config, S3StagingConfig)
    assert (config.bucket, config.endpoint_url) == ("b", "http://127.0.0.1:1")
    assert (config.access_key_id, config.secret_access_key) == (SecretStr("me"), SecretStr("canary"))
    assert load_staging(workspace.documents, "nowhere") is None
    known = {found["slug"] for found in plane.call("POST", "/block_types/filter", {"limit": 100})}
    assert "EndpointBlock" not in dir(blocks), "`prefect block register --module` would register it"
    assert {*CLASSES, "nucleus-checkpoint", "nucleus-state", "nucleus-jdbc-postgres"} <= known
