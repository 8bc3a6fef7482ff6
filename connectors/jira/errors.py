"""What Jira's refusals and odd payloads mean, as typed errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from connectors.http.client import Refusal
from contracts.errors import SourceAuthError, SourcePageFailedError, SourcePrivilegeError, SourceValueError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from contracts.errors import IngestionError

_LOGIN = "Check the account and its token; an expired token has to be made anew. Nothing was changed."


def translated(refusal: Refusal) -> IngestionError:
    """A refusal of a whole unit as a typed error."""
    if refusal.status == 401:
        return SourceAuthError(f"Jira does not accept the login ({refusal})", _LOGIN)
    if refusal.status in {403, 404}:
        return SourcePrivilegeError(f"Jira refuses: {refusal}", "Give the account the permission it lacks.")
    return SourcePageFailedError(f"Jira refuses: {refusal}", "If it stays, report it with this message.")


@contextmanager
def typed_errors() -> Iterator[None]:
    """Refusals and payloads of another shape as typed errors, for what is asked as a whole."""
    try:
        yield
    except Refusal as refusal:
        raise translated(refusal) from refusal
    except msgspec.ValidationError as error:
        raise unexpected_payload("the site", error) from error


def unexpected_payload(what: str, why: object) -> SourceValueError:
    """A payload that the site wrote in another way than it documents."""
    return SourceValueError(
        f"A payload of {what} is not shaped as documented: {why}",
        "Report it with this message; nothing of the slice was used.",
    )


def check_login(answer: httpx.Response) -> None:
    """A login that failed is served as anonymous: 200, and nothing in it. The header tells."""
    reason = answer.headers.get("X-Seraph-LoginReason", "")
    if "AUTHENTICATED_FAILED" in reason or "AUTHENTICATION_DENIED" in reason or answer.status_code == 401:
        raise SourceAuthError(f"Jira does not accept the login ({reason or answer.status_code})", _LOGIN)
    if (
        answer.status_code == 403
        and "rest/api" in str(answer.url)
        and "Bearer" in answer.request.headers.get("Authorization", "")
    ):
        raise SourceAuthError("Jira does not accept the bearer token (403)", _LOGIN)


def message_of(body: bytes) -> str:
    """``errorMessages`` and ``errors`` of Jira's error body, or the beginning of what it is."""
    try:
        said = msgspec.json.decode(body)
    except ValueError:
        said = None
    if isinstance(said, dict):
        errors = said.get("errors") if isinstance(said.get("errors"), dict) else {}
        lines = [*said.get("errorMessages", []), *(f"{name}: {text}" for name, text in (errors or {}).items())]
        if lines or "detail" in said:
            return "; ".join(map(str, lines)) or str(said["detail"])
    return body.decode("utf-8", "replace")
