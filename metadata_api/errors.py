"""Errors of the API itself, and the HTTP status of every typed error.

Answers are ``{code, message, retryable, hint}`` and nothing more: the facts of an error stay in the log.
"""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any, ClassVar

from contracts.errors import (
    CatalogMissingError,
    CheckpointConflictError,
    ConfigError,
    ControlPlaneError,
    DatasetNotInCatalogError,
    EndpointUnknownError,
    IngestionError,
    MetadataError,
    Retriable,
    RunError,
    SinkNotProvisionedError,
    StateError,
    Terminal,
    UnitDisabledError,
)

_log = logging.getLogger(__name__)


class RequestRefusedError(IngestionError):
    """The API refused the request; nothing was started."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST


class UnsignedError(Terminal, RequestRefusedError):
    """No signature, or one that no valid key made."""

    code = "E_SIGNATURE"
    status = HTTPStatus.UNAUTHORIZED


class StaleError(Terminal, RequestRefusedError):
    """The timestamp is outside the window."""

    code = "E_TIMESTAMP"
    status = HTTPStatus.UNAUTHORIZED


class ReplayedError(Terminal, RequestRefusedError):
    """The very same signed request came before."""

    code = "E_REPLAYED"
    status = HTTPStatus.CONFLICT


class TooLargeError(Terminal, RequestRefusedError):
    """The body is larger than the API accepts."""

    code = "E_BODY_TOO_LARGE"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class RateLimitedError(Retriable, RequestRefusedError):
    """Too many requests with this key."""

    code = "E_RATE_LIMITED"
    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, what: str, next_step: str = "", **facts: Any) -> None:
        super().__init__(what, next_step, **facts)
        self.retry_after_s = float(facts.get("retry_after_s", 1.0))


class MalformedError(Terminal, RequestRefusedError):
    """The request cannot be read, or a field has no meaning."""

    code = "E_REQUEST_INVALID"


class MediaTypeError(Terminal, RequestRefusedError):
    """The body is not JSON by its own word."""

    code = "E_MEDIA_TYPE"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class IdempotencyError(Terminal, RequestRefusedError):
    """The idempotency key was used for another request."""

    code = "E_IDEMPOTENCY_MISMATCH"
    status = HTTPStatus.CONFLICT


class CallbackRefusedError(Terminal, RequestRefusedError):
    """The callback URL is not one that the operator allows."""

    code = "E_CALLBACK_HOST"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TokenError(Terminal, RequestRefusedError):
    """No bearer token, or an unknown one."""

    code = "E_TOKEN"
    status = HTTPStatus.UNAUTHORIZED


class FormRefusedError(Terminal, RequestRefusedError):
    """A form of the console that no page of the session sent."""

    code = "E_FORM"
    status = HTTPStatus.FORBIDDEN


class ForbiddenError(Terminal, RequestRefusedError):
    """The token's role does not allow the operation."""

    code = "E_FORBIDDEN"
    status = HTTPStatus.FORBIDDEN


_STATUS: tuple[tuple[type[IngestionError], HTTPStatus], ...] = (
    (ControlPlaneError, HTTPStatus.SERVICE_UNAVAILABLE),
    (CheckpointConflictError, HTTPStatus.CONFLICT),
    (StateError, HTTPStatus.SERVICE_UNAVAILABLE),
    (EndpointUnknownError, HTTPStatus.NOT_FOUND),
    (DatasetNotInCatalogError, HTTPStatus.NOT_FOUND),
    (CatalogMissingError, HTTPStatus.CONFLICT),
    (MetadataError, HTTPStatus.CONFLICT),
    (SinkNotProvisionedError, HTTPStatus.CONFLICT),
    (RunError, HTTPStatus.CONFLICT),
    (ConfigError, HTTPStatus.UNPROCESSABLE_ENTITY),
)


PLATFORM_CODES = {
    DatasetNotInCatalogError.code: "E_INGESTION_UNIT_NOT_FOUND",
    UnitDisabledError.code: "E_INGESTION_DATASET_DISABLED",
    EndpointUnknownError.code: "E_ENDPOINT_NOT_FOUND",
}
"""What the platform's console calls errors that have another code here."""


def status_of(error: IngestionError) -> int:
    """The fitting HTTP status; 422 for whatever the request asks and the metadata does not allow."""
    if isinstance(error, RequestRefusedError):
        return int(error.status)
    found = next((status for kind, status in _STATUS if isinstance(error, kind)), HTTPStatus.UNPROCESSABLE_ENTITY)
    return int(found)


def error_body(error: IngestionError) -> dict[str, Any]:
    """Shape: ``{code, message, retryable, hint}``."""
    return {"code": error.code, "message": error.what, "retryable": error.retryable, "hint": error.next_step}


def headers_of(error: IngestionError) -> dict[str, str]:
    """The HTTP headers of the answer to an error: when to come back, and whether the connection stays."""
    if isinstance(error, RateLimitedError):
        return {"retry-after": str(math.ceil(error.retry_after_s or 1.0))}
    return {"connection": "close"} if isinstance(error, TooLargeError) else {}  # or the rest would be read too


def internal_error_body(error: BaseException) -> dict[str, Any]:
    """The answer to what nobody foresaw. Its text may hold anything, so only its kind is logged with its place."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "nowhere"
    _log.error("Unforeseen %s at %s", type(error).__name__, where)
    return {
        "code": "E_FAULT",
        "message": "This is a fault in Nucleus",
        "retryable": False,
        "hint": "The API's log names the place. Please report it.",
    }
