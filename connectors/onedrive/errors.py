"""What Graph's refusals mean, as typed errors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from connectors.http import errors as http_errors
from connectors.http.errors import CHECK_CREDENTIALS
from contracts.errors import CompletenessGapError, SourceAuthError

if TYPE_CHECKING:
    import httpx

typed_errors = partial(http_errors.typed_errors, service="Graph", what="the drive")
"""Refusals and unexpected payloads as typed errors, for requests that concern a unit as a whole."""

UNSEEN = frozenset({403, 404, 423})
"""Statuses of what exists no more or may not be seen: no reason to end the run, and never an empty answer."""


class _ErrorPayload(msgspec.Struct):
    code: str = ""
    message: str = ""


class _FailurePayload(msgspec.Struct):
    error: _ErrorPayload | str = ""
    error_description: str = ""


def check_login(answer: httpx.Response) -> None:
    """Graph answers strangers with 401, whatever they ask."""
    if answer.status_code == 401:
        raise SourceAuthError("Graph does not accept the access token (401)", CHECK_CREDENTIALS)


def message_of(body: bytes) -> str:
    """``error.code`` and ``error.message`` of Graph, or the first line of what the login says."""
    try:
        failure = msgspec.json.decode(body, type=_FailurePayload)
    except ValueError:
        return body.decode("utf-8", "replace")
    if isinstance(failure.error, str):
        return f"{failure.error}: {failure.error_description.partition(chr(13))[0].partition(chr(10))[0]}"
    return f"{failure.error.code}: {failure.error.message}"


def incomplete(unit_id: str, why: str) -> CompletenessGapError:
    """Keys cannot be compared: what was not listed is not known to be gone."""
    return CompletenessGapError(
        f"{unit_id} cannot be compared with the drives: {why}", "Nothing was removed; run again.", gaps=[why]
    )
