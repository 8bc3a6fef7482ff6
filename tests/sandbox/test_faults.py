"""The proxies: transparent until a fault is ordered."""

from __future__ import annotations

import time

import boto3
import pytest
from adbc_driver_postgresql import dbapi
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ResponseStreamingError
from urllib3.exceptions import ProtocolError

from sandbox.faults import CuttableTcp, FaultyProxy


@pytest.fixture
def proxy(s3):
    with FaultyProxy(s3.endpoint_url) as proxy:
        yield proxy


@pytest.fixture
def client(s3, proxy):
    client = boto3.client(
        "s3",
        endpoint_url=proxy.url,
        region_name=s3.region,
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    yield client
    client.close()


def test_a_healthy_proxy_is_transparent(client, bucket, proxy):
    body = bytes(range(256)) * 5000
    client.put_object(Bucket=bucket, Key="a b/ü", Body=body)
    assert client.get_object(Bucket=bucket, Key="a b/ü")["Body"].read() == body
    assert client.get_object(Bucket=bucket, Key="a b/ü", Range="bytes=1-3")["Body"].read() == b"\x01\x02\x03"
    assert client.head_object(Bucket=bucket, Key="a b/ü")["ContentLength"] == len(body)
    assert [method for method, _ in proxy.requests] == ["PUT", "GET", "GET", "HEAD"]


@pytest.mark.parametrize("status", [500, 503])
def test_fails_the_next_requests_of_a_method(client, bucket, proxy, status):
    proxy.fail_next(2, status=status, method="PUT")
    for _ in range(2):
        client.list_objects_v2(Bucket=bucket)
        with pytest.raises(ClientError) as failed:
            client.put_object(Bucket=bucket, Key="k", Body=b"x")
        assert failed.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    client.put_object(Bucket=bucket, Key="k", Body=b"x")


def test_delays(client, bucket, proxy):
    proxy.delay(0.3)
    begun = time.monotonic()
    client.list_objects_v2(Bucket=bucket)
    assert time.monotonic() - begun >= 0.3


def test_cuts_long_answers(client, bucket, proxy):
    client.put_object(Bucket=bucket, Key="k", Body=b"x" * 1_000_000)
    proxy.cut_after(1000)
    with pytest.raises((ResponseStreamingError, ProtocolError, ConnectionClosedError)):
        client.get_object(Bucket=bucket, Key="k")["Body"].read()
    assert len(client.get_object(Bucket=bucket, Key="k")["Body"].read()) == 1_000_000


def test_drops_and_heals(client, bucket, proxy):
    proxy.drop_everything()
    with pytest.raises(ConnectionClosedError):
        client.list_objects_v2(Bucket=bucket)
    proxy.heal()
    client.list_objects_v2(Bucket=bucket)


def test_cuts_and_refuses_postgres(postgres):
    with CuttableTcp(postgres.port) as proxy:
        url = postgres.url().replace(f":{postgres.port}/", f":{proxy.port}/")
        connection = dbapi.connect(url, autocommit=True)
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        assert proxy.connections == 1
        proxy.refuse(0.5)
        assert proxy.cut() == 1
        with pytest.raises(dbapi.Error):
            cursor.executescript("SELECT 1")
        cursor.close()
        connection.close()
        with pytest.raises(dbapi.Error):
            dbapi.connect(url)
        time.sleep(0.5)
        dbapi.connect(url).close()
