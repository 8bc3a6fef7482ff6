"""Sessions in a bucket of any S3 service."""

from __future__ import annotations

import time
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from staging.provider import StoreStaging
from staging.s3_errors import translate, translate_answer
from staging.session import Area
from staging.store import StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from pydantic import SecretStr

    from staging.config import S3StagingConfig

_DELETE_KEYS = 1_000
_POOL = 64
_BODY_PAUSE_S = 0.2
_BODY_PAUSE_MAX_S = 5.0
_MISSING = {"NoSuchKey", "404"}
_BODY_ERRORS = (boto.HTTPClientError, boto.IncompleteReadError)


class S3Store:
    """An ObjectStore over one bucket. Requests are retried with increasing delays, up to ``max_attempts`` attempts."""

    def __init__(self, client: S3Client, bucket: str, max_attempts: int) -> None:
        """Use this client, which may be shared between threads."""
        self._client = client
        self._bucket = bucket
        self._max_attempts = max_attempts

    def put(self, key: str, content: bytes) -> None:
        """Send one PUT with the content's sha256 in its signature."""
        with self._translated("write", key):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None."""
        with self._translated("read", key):
            for attempt in range(self._max_attempts - 1):
                body = self._open(key)
                try:
                    return None if body is None else body.read()
                except _BODY_ERRORS:
                    # The client retries requests, but not a response body that is cut off.
                    time.sleep(min(_BODY_PAUSE_S * 2**attempt, _BODY_PAUSE_MAX_S))
            body = self._open(key)
            return None if body is None else body.read()

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects below the prefix, a thousand per request."""
        with self._translated("list", prefix):
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
                for entry in page.get("Contents", ()):
                    yield StoredObject(entry["Key"], entry["Size"], entry["LastModified"])

    def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects, a thousand per request."""
        for start in range(0, len(keys), _DELETE_KEYS):
            self._delete_some(keys[start : start + _DELETE_KEYS])

    def _open(self, key: str) -> StreamingBody | None:
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        except boto.ClientError as error:
            if error.response["Error"].get("Code") in _MISSING:
                return None
            raise

    def _delete_some(self, keys: Sequence[str]) -> None:
        with self._translated("delete", keys[0]):
            answer = self._client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
        for failed in answer.get("Errors", ()):
            raise translate_answer(failed.get("Code", ""), 0, "delete", self._bucket, failed.get("Key", ""))

    @contextmanager
    def _translated(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except (boto.ClientError, boto.BotoCoreError) as error:
            raise translate(error, verb, self._bucket, key) from error


class S3Staging(StoreStaging):
    """The ``s3`` provider."""

    def __init__(self, config: S3StagingConfig) -> None:
        """Create the client; nothing is sent before the first use."""
        root = f"{config.prefix}/" if config.prefix else ""
        store = S3Store(_client(config), config.bucket, config.max_attempts)
        super().__init__(Area("s3", config.bucket, store, root), config.part_bytes)


def _client(config: S3StagingConfig) -> S3Client:
    # A separate session: boto3's default session is not thread-safe.
    session = boto3.session.Session(
        aws_access_key_id=_reveal(config.access_key_id),
        aws_secret_access_key=_reveal(config.secret_access_key),
        aws_session_token=_reveal(config.session_token),
        region_name=config.region or ("us-east-1" if config.endpoint_url else None),
    )
    verify = str(config.ca_bundle) if config.verify and config.ca_bundle else config.verify
    options = _client_config(config)
    return session.client("s3", endpoint_url=config.endpoint_url, verify=verify, config=options)


def _client_config(config: S3StagingConfig) -> Config:
    return Config(
        proxies={} if _is_loopback(config.endpoint_url) else None,  # None: as the environment says
        connect_timeout=config.connect_timeout_s,
        read_timeout=config.read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": config.max_attempts},
        max_pool_connections=_POOL,
        # Every server verifies a signed payload; some servers refuse the newer checksum headers.
        s3={"addressing_style": "path" if config.endpoint_url else "auto", "payload_signing_enabled": True},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _is_loopback(url: str | None) -> bool:
    host = urlsplit(url or "").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reveal(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
