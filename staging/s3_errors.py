"""Translates the errors of the S3 client. The server's message is left out, because it may contain a key id."""

from __future__ import annotations

from botocore import exceptions as boto

from contracts.errors import StageError, StagingRefusedError, StagingUnavailableError

_SERVER_FAULT = 500
_BUSY = {
    "SlowDown",
    "Throttling",
    "TooManyRequests",
    "RequestTimeout",
    "RequestLimitExceeded",
    "InternalError",
}
_BUSY_STATUS = {408, 429}
_STEPS = {
    "NoSuchBucket": "Create the bucket, or correct its name.",
    "InvalidBucketName": "Correct the bucket's name.",
    "InvalidAccessKeyId": "Correct the access key id.",
    "SignatureDoesNotMatch": "Correct the secret access key.",
    "ExpiredToken": "Renew the temporary credentials.",
    "InvalidToken": "Renew the temporary credentials.",
    "AccessDenied": "Allow these credentials to list, read, write and delete in the bucket.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "PermanentRedirect": "Set the bucket's region.",
    "AuthorizationHeaderMalformed": "Set the bucket's region.",
}
_WAIT = "Check that the endpoint is up and reachable, then run again."
_CHECK = "Check endpoint, bucket, region and credentials."


def translate(error: Exception, verb: str, bucket: str, key: str) -> StageError:
    """The typed error for an exception of boto during the operation ``verb`` on the key, without credentials."""
    if isinstance(error, boto.ClientError):
        facts = error.response.get("Error", {})
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return translate_answer(str(facts.get("Code", "")), status, verb, bucket, key)
    what = f"Could not {verb} {key!r} in bucket {bucket!r}: {type(error).__name__}"
    if isinstance(error, boto.SSLError):
        step = "Check the endpoint's TLS certificate, or set ca_bundle."
        return StagingRefusedError(what, step, bucket=bucket)
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return StagingRefusedError(what, "Set access_key_id and secret_access_key.", bucket=bucket)
    if isinstance(error, boto.ConnectionError | boto.HTTPClientError | boto.IncompleteReadError):
        return StagingUnavailableError(what, _WAIT, bucket=bucket)
    return StagingRefusedError(what, _CHECK, bucket=bucket)


def translate_answer(code: str, status: int, verb: str, bucket: str, key: str) -> StageError:
    """The typed error for an S3 error code and an HTTP status (0 when unknown)."""
    what = f"Could not {verb} {key!r} in bucket {bucket!r}: the server answered {status or ''} {code}".rstrip()
    if status >= _SERVER_FAULT or status in _BUSY_STATUS or code in _BUSY:
        return StagingUnavailableError(what, _WAIT, bucket=bucket, s3_code=code, http_status=status)
    step = _STEPS.get(code, _CHECK)
    return StagingRefusedError(what, step, bucket=bucket, s3_code=code, http_status=status)
