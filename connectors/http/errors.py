"""What refusals and unexpected payloads of a whole unit mean, as typed errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from connectors.http.client import Refusal
from contracts.errors import SourceAuthError, SourcePageFailedError, SourcePrivilegeError, SourceValueError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.errors import IngestionError

CHECK_CREDENTIALS = "Check the credentials and create a new token if theirs has expired. Nothing was changed."


def refusal_error(refusal: Refusal, service: str = "The service") -> IngestionError:
    """A refusal of a whole unit as a typed error; ``service`` is who refused."""
    if refusal.status == 401:
        return SourceAuthError(f"{service} does not accept the login ({refusal})", CHECK_CREDENTIALS)
    if refusal.status in {403, 404}:
        return SourcePrivilegeError(f"{service} refuses: {refusal}", "Give the account the permission it lacks.")
    return SourcePageFailedError(f"{service} refuses: {refusal}", "If it stays, report it with this message.")


def unexpected_payload(what: str, why: object) -> SourceValueError:
    """A payload that the service wrote in another way than it documents."""
    return SourceValueError(
        f"A payload of {what} is not shaped as documented: {why}",
        "Report it with this message; nothing of the slice was used.",
    )


@contextmanager
def typed_errors(service: str = "The service", what: str = "the service") -> Iterator[None]:
    """Refusals and unexpected payloads as typed errors.

    Args:
        service: Who refuses, at the beginning of a sentence.
        what: Whose payload it is.
    """
    try:
        yield
    except Refusal as refusal:
        raise refusal_error(refusal, service) from refusal
    except msgspec.ValidationError as error:
        raise unexpected_payload(what, error) from error
