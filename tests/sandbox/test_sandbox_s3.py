"""The S3 stand-in: real clients, and nothing without the right key."""

from __future__ import annotations

import urllib.error
import urllib.request

import boto3
import polars as pl
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from sandbox.s3 import SandboxS3


def options(s3: SandboxS3) -> dict[str, str]:
    return {
        "aws_endpoint_url": s3.endpoint_url,
        "aws_region": s3.region,
        "aws_access_key_id": s3.access_key_id,
        "aws_secret_access_key": s3.secret_access_key,
    }


def test_polars_writes_and_reads_parquet(s3, bucket):
    frame = pl.DataFrame({"n": range(50_000)})
    frame.write_parquet(f"s3://{bucket}/a b/part-ü.parquet", storage_options=options(s3))
    read = pl.scan_parquet(f"s3://{bucket}/a b/*.parquet", storage_options=options(s3))
    assert read.select(pl.col("n").sum()).collect().item() == sum(range(50_000))


@pytest.mark.parametrize("wrong", ["aws_access_key_id", "aws_secret_access_key"])
def test_wrong_keys_are_refused(s3, bucket, wrong):
    with pytest.raises(PermissionError, match="403"):
        pl.DataFrame({"n": [1]}).write_parquet(
            f"s3://{bucket}/x.parquet", storage_options={**options(s3), wrong: "AKIAWRONG"}
        )
    right = {"aws_access_key_id": s3.access_key_id, "aws_secret_access_key": s3.secret_access_key}
    keys = {**right, wrong: "AKIAWRONG"}
    client = boto3.client("s3", endpoint_url=s3.endpoint_url, region_name=s3.region, **keys)
    with pytest.raises(ClientError) as refused:
        client.list_objects_v2(Bucket=bucket)
    client.close()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_unsigned_requests_are_refused(s3, bucket):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(f"{s3.endpoint_url}/{bucket}")
    refused.value.close()
    assert refused.value.code == 403


def test_stop_and_start_keeps_address_and_keys_but_no_objects():
    with SandboxS3() as s3:
        s3.create_bucket("bucket")
        s3.stop()
        s3.start()
        client = s3.client()
        assert client.list_buckets()["Buckets"] == []
        client.close()


def test_a_paused_server_answers_later(s3, bucket):
    impatient = boto3.client(
        "s3",
        endpoint_url=s3.endpoint_url,
        region_name=s3.region,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key,
        config=Config(read_timeout=0.3, retries={"total_max_attempts": 1}),
    )
    with s3.pause(), pytest.raises(ReadTimeoutError):
        impatient.list_objects_v2(Bucket=bucket)
    assert impatient.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    impatient.close()
