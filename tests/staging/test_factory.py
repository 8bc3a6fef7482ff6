from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.errors import ConfigInvalidError
from staging.config import LocalStagingConfig, MemoryStagingConfig, S3StagingConfig
from staging.factory import open_staging, staging_config

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("url", "config"),
    [
        ("memory:", MemoryStagingConfig()),
        ("memory:desk?limit_bytes=99", MemoryStagingConfig(area="desk", limit_bytes=99)),
        ("file:///var/staging", LocalStagingConfig(path=Path("/var/staging"))),
        ("file://localhost/a%20b?durable=true", LocalStagingConfig(path=Path("/a b"), durable=True)),
        ("file:below/here", LocalStagingConfig(path=Path("below/here"))),
        ("s3://bucket", S3StagingConfig(bucket="bucket")),
        (
            "s3://bucket/a/b/?endpoint_url=http://127.0.0.1:9000&region=eu-1&part_bytes=4096",
            S3StagingConfig(
                bucket="bucket",
                prefix="a/b",
                endpoint_url="http://127.0.0.1:9000",
                region="eu-1",
                part_bytes=4096,
            ),
        ),
    ],
)
def test_urls(url, config):
    assert staging_config(url) == config
    assert open_staging(url).provider_id == config.provider


def test_options_override_a_url_and_a_config():
    config = staging_config("s3://bucket", access_key_id="id", secret_access_key=SecretStr("hush"))
    assert config.secret_access_key.get_secret_value() == "hush"
    again = staging_config(config, prefix="p")
    assert (again.prefix, again.secret_access_key) == ("p", config.secret_access_key)


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("tape:///dev/st0", {}, "'tape' is not a staging URL"),
        ("", {}, "memory:"),
        ("file:", {}, "file:///path"),
        ("file://elsewhere/path", {}, "file:///path"),
        ("s3://", {}, "s3://bucket/prefix"),
        ("s3://[bad", {}, "malformed"),
        ("memory:?colour=red", {}, "colour"),
        ("memory:?limit_bytes=many", {}, "limit_bytes"),
        ("memory:", {"part_bytes": 1}, "part_bytes"),
        ("s3://bucket", {"access_key_id": "only"}, "must be set together"),
        ("s3://bucket?secret_access_key=hush", {}, "must not carry credentials"),
        ("s3://id:hush@bucket/x", {}, "must not carry credentials"),
        ("s3://bucket", {"endpoint_url": "http://id:hush@host"}, "without credentials"),
        ("s3://bucket", {"endpoint_url": "hush"}, "http://host"),
        ("s3://bucket", {"region": ["hush"]}, "region"),
    ],
)
def test_what_is_wrong_is_named_and_secrets_are_not(url, options, says):
    with pytest.raises(ConfigInvalidError, match=says) as caught:
        open_staging(url, **options)
    assert "hush" not in f"{caught.value!r} {caught.value.facts} {caught.value.__context__!r}"


def test_blank_form_fields_are_absent():
    config = S3StagingConfig(bucket="b", endpoint_url="", region="", access_key_id="", secret_access_key=SecretStr(""))
    assert (config.endpoint_url, config.region, config.access_key_id, config.secret_access_key) == (None,) * 4


def test_looking_at_the_room_loads_nothing_heavy():
    program = "import sys, staging, staging.factory, staging.expiry; print({'polars', 'boto3'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_local_area_does_not_load_boto3():
    program = "import sys, staging.factory as f; f.open_staging('file:///x'); print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
