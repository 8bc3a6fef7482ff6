"""Objects below a prefix of a bucket of any S3 service that has conditional writes.

Amazon S3 API reference, ``PutObject``: ``If-None-Match: *`` answers 412 when the key exists, ``If-Match`` answers 412
when its ETag is another and 404 when it is gone; 409 (``ConditionalRequestConflict``) asks to try again. Listings and
reads are consistent with writes that were answered. That a service other than Amazon's does the same is assumed; one
that ignores the headers is found out by ``require_conditional_writes``.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
from botocore import exceptions as boto
from botocore.config import Config

from connectors.lake.objects import ListedObject
from contracts.errors import (
    ConfigInvalidError,
    SinkAuthError,
    SinkPrivilegeError,
    SinkTlsError,
    SinkUnreachableError,
    SinkWriteFailedError,
    UpsertError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_s3 import S3Client

_TRIES = 6
_PAUSE_S = 0.05
_DELETE_KEYS = 1_000
_MISSING = {"NoSuchKey", "404"}
_AUTH = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"}
_BODY_ERRORS = (boto.HTTPClientError, boto.IncompleteReadError)


class S3Objects:
    """Objects below ``s3://bucket/prefix``.

    Args:
        client: May be shared between threads.
        bucket: Its name.
        prefix: Without slashes at its ends; may be empty.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self.client, self._bucket = client, bucket
        self._root = f"{prefix}/" if prefix else ""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and ETag; a body that is cut off is read again, which the client does not do by itself."""
        with self._translated("read", key):
            for tries in range(_TRIES):
                try:
                    answer = self.client.get_object(Bucket=self._bucket, Key=self._root + key)
                    return answer["Body"].read(), answer["ETag"]
                except boto.ClientError as error:
                    if _code(error) in _MISSING:
                        return None
                    raise
                except _BODY_ERRORS:
                    if tries == _TRIES - 1:
                        raise
                    time.sleep(_PAUSE_S * 2**tries)
        return None

    def put(self, key: str, content: bytes) -> None:
        """One PUT."""
        with self._translated("write", key):
            self.client.put_object(Bucket=self._bucket, Key=self._root + key, Body=content)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """A PUT with ``If-None-Match: *``."""
        return self._conditionally(key, content, {"IfNoneMatch": "*"})

    def put_if_match(self, key: str, content: bytes, tag: str) -> bool:
        """A PUT with ``If-Match``."""
        return self._conditionally(key, content, {"IfMatch": tag})

    def delete(self, keys: Sequence[str]) -> None:
        """A thousand per request."""
        for start in range(0, len(keys), _DELETE_KEYS):
            some = keys[start : start + _DELETE_KEYS]
            with self._translated("delete", some[0]):
                answer = self.client.delete_objects(
                    Bucket=self._bucket,
                    Delete={"Objects": [{"Key": self._root + key} for key in some], "Quiet": True},
                )
            for failed in answer.get("Errors", ()):
                raise translate_answer(failed.get("Code", ""), 0, f"delete {failed.get('Key', '')!r}")

    def list(self, prefix: str, after: str = "") -> Iterator[ListedObject]:
        """A thousand per request."""
        with self._translated("list", prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._root + prefix, StartAfter=self._root + after if after else ""
            )
            for page in pages:
                for entry in page.get("Contents", ()):
                    key = entry["Key"].removeprefix(self._root)
                    yield ListedObject(key, entry["Size"], entry["LastModified"].timestamp(), entry["ETag"])

    def uri(self, key: str) -> str:
        """``s3://bucket/key``."""
        return f"s3://{self._bucket}/{self._root}{key}"

    def close(self) -> None:
        """The client's pool stays; it is small."""

    def require_conditional_writes(self, folder: str) -> None:
        """Check that the service honours both conditions, on an object of its own.

        Raises:
            ConfigInvalidError: It does not: runs that overtake each other could both write.
        """
        key = f"{folder}/probe-{uuid4().hex}"
        first = self.put_if_absent(key, uuid4().bytes)
        again = self.put_if_absent(key, uuid4().bytes)
        replaced = self.put_if_match(key, uuid4().bytes, '"0123456789abcdef0123456789abcdef"')
        self.delete([key])
        if not first or again or replaced:
            raise ConfigInvalidError(
                "The object storage ignores If-None-Match or If-Match on writes",
                "Use a service with conditional writes, or another sink.",
            )

    def _conditionally(self, key: str, content: bytes, condition: dict[str, Any]) -> bool:
        with self._translated("write", key):
            for tries in range(_TRIES):
                try:
                    self.client.put_object(Bucket=self._bucket, Key=self._root + key, Body=content, **condition)
                except boto.ClientError as error:
                    if _status(error) == 412:
                        return self._holds(key, content)  # an earlier try may have landed without an answer
                    if _status(error) == 404 and "IfMatch" in condition and _code(error) in _MISSING:
                        return False
                    if _status(error) != 409 or tries == _TRIES - 1:
                        raise
                    time.sleep(_PAUSE_S * 2**tries)
                else:
                    return True
        return False

    def _holds(self, key: str, content: bytes) -> bool:
        held = self.get(key)
        return held is not None and held[0] == content

    @contextmanager
    def _translated(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except (boto.ClientError, boto.BotoCoreError) as error:
            raise translate(error, f"{verb} {key!r} in bucket {self._bucket!r}") from error


def client_of(
    endpoint_url: str | None,
    region: str | None,
    keys: tuple[str | None, str | None, str | None],
    *,
    timeout_s: float = 60.0,
    max_attempts: int = 6,
) -> S3Client:
    """A client; keys are access key id, secret and session token, as boto3 finds them by itself where None."""
    session = session_of(endpoint_url, region, keys)
    options = Config(
        proxies={} if _is_loopback(endpoint_url) else None,  # None: as the environment says
        connect_timeout=10,
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": max_attempts},
        max_pool_connections=32,
        s3={"addressing_style": "path" if endpoint_url else "auto", "payload_signing_enabled": True},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.client("s3", endpoint_url=endpoint_url, config=options)


def session_of(
    endpoint_url: str | None, region: str | None, keys: tuple[str | None, str | None, str | None]
) -> boto3.session.Session:
    """A session of these keys; a service at an address of its own has a region, whatever its name."""
    return boto3.session.Session(
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        aws_session_token=keys[2],
        region_name=region or ("us-east-1" if endpoint_url else None),
    )


def translate(error: Exception, doing: str) -> UpsertError:
    """The typed error for an exception of boto, without credentials."""
    if isinstance(error, boto.ClientError):
        return translate_answer(_code(error), _status(error), doing)
    what = f"Could not {doing}: {type(error).__name__}"
    if isinstance(error, boto.SSLError):
        return SinkTlsError(what, "Check the endpoint's TLS certificate.")
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return SinkAuthError(what, "Set access_key_id and secret_access_key.")
    return SinkUnreachableError(what, "Run again; the receipts tell what was committed.")


def translate_answer(code: str, status: int, doing: str) -> UpsertError:
    """The typed error for an S3 error code and an HTTP status (0 when unknown)."""
    what = f"Could not {doing}: the server answered {status or ''} {code}".rstrip()
    if code in _AUTH or status == 401:
        return SinkAuthError(what, "Correct the access key.")
    if status == 403 or code == "AccessDenied":
        return SinkPrivilegeError(what, "Allow these credentials to list, read, write and delete in the bucket.")
    if code == "NoSuchBucket":
        return SinkPrivilegeError(what, "Create the bucket, or correct its name.")
    if status == 409:
        return SinkWriteFailedError(what, "Run again.")
    return SinkUnreachableError(what, "Run again; the receipts tell what was committed.")


def _code(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: boto.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_loopback(url: str | None) -> bool:
    host = urlsplit(url or "").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
