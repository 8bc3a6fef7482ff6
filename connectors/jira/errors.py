"""What Jira's refusals and odd payloads mean, as typed errors."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from connectors.http import errors as http_errors
from connectors.http.errors import CHECK_CREDENTIALS
from contracts.errors import SourceAuthError

if TYPE_CHECKING:
    import httpx

typed_errors = partial(http_errors.typed_errors, service="Jira", what="the site")
"""Refusals and unexpected payloads as typed errors, for requests that concern a unit as a whole."""


def check_login(answer: httpx.Response) -> None:
    """A login that failed is served as anonymous: 200, and nothing in it. The header tells."""
    reason = answer.headers.get("X-Seraph-LoginReason", "")
    if "AUTHENTICATED_FAILED" in reason or "AUTHENTICATION_DENIED" in reason or answer.status_code == 401:
        raise SourceAuthError(f"Jira does not accept the login ({reason or answer.status_code})", CHECK_CREDENTIALS)
    if (
        answer.status_code == 403
        and "rest/api" in str(answer.url)
        and "Bearer" in answer.request.headers.get("Authorization", "")
    ):
        raise SourceAuthError("Jira does not accept the bearer token (403)", CHECK_CREDENTIALS)


def message_of(body: bytes) -> str:
    """``errorMessages`` and ``errors`` of Jira's error body, or the beginning of what it is."""
    try:
        document = msgspec.json.decode(body)
    except ValueError:
        document = None
    if isinstance(document, dict):
        errors = document.get("errors") if isinstance(document.get("errors"), dict) else {}
        lines = [*document.get("errorMessages", []), *(f"{name}: {text}" for name, text in (errors or {}).items())]
        if lines or "detail" in document:
            return "; ".join(map(str, lines)) or str(document["detail"])
    return body.decode("utf-8", "replace")
