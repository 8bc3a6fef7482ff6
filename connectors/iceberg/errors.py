"""What catalogs and file systems raise, as the typed errors of the contracts.

Catalog: the classes of ``pyiceberg.exceptions`` (REST status codes are mapped to them by pyiceberg), SQLAlchemy's for
catalogs in a database, botocore's for Glue. Files: pyarrow raises ``OSError`` with the service's answer in its text.
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pyiceberg import exceptions as iceberg
from requests import exceptions as http
from sqlalchemy import exc as sql

from contracts.errors import (
    SinkAuthError,
    SinkLockedError,
    SinkNameError,
    SinkPrivilegeError,
    SinkTlsError,
    SinkUnreachableError,
    SinkWriteFailedError,
    UpsertError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CAUGHT = (iceberg.RESTError, http.RequestException, sql.DBAPIError, OSError)
_DENIED = ("ACCESS_DENIED", "AccessDenied", "readonly database", "read-only", "permission denied", "Forbidden")
_UNAUTHORISED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "authentication failed", "ExpiredToken")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what is raised inside into a typed error; a conflict of commits passes as it is.

    Raises:
        UpsertError: A subclass for each cause: unreachable, authentication, TLS, privileges.
    """
    try:
        yield
    except _CAUGHT as error:
        raise _typed(doing, error) from error


def _typed(doing: str, error: Exception) -> UpsertError:
    text = str(error.orig) if isinstance(error, sql.DBAPIError) else str(error)
    what = f"The warehouse failed while {doing}: {text.splitlines()[0][:300] if text else type(error).__name__}"
    kind, next_step = next((kind, step) for means, kind, step in _MEANINGS if means(error, text))
    return kind(what, next_step)


def _is_unauthorised(error: Exception, text: str) -> bool:
    refused = (iceberg.UnauthorizedError, iceberg.AuthorizationExpiredError, iceberg.OAuthError)
    return isinstance(error, refused) or any(sign in text for sign in _UNAUTHORISED)


def _is_denied(error: Exception, text: str) -> bool:
    denied = (iceberg.ForbiddenError, PermissionError)
    return isinstance(error, denied) or any(sign in text for sign in _DENIED)


def _is_full(error: Exception, _text: str) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


_MEANINGS: tuple[tuple[Callable[[Exception, str], bool], type[UpsertError], str], ...] = (
    (_is_unauthorised, SinkAuthError, "Check the catalog's and the storage's credentials."),
    (_is_denied, SinkPrivilegeError, "Grant the right to write there."),
    (
        lambda error, text: isinstance(error, iceberg.BadRequestError) and "name" in text,
        SinkNameError,
        "Set target_namespace and target_name to names that the catalog takes.",
    ),
    (lambda error, _: isinstance(error, http.SSLError), SinkTlsError, "Check the certificates."),
    (
        lambda _, text: "database is locked" in text,
        SinkLockedError,
        "Run again; another process is writing the catalog.",
    ),
    (_is_full, SinkWriteFailedError, "Make room, then run again."),
    (lambda _error, _text: True, SinkUnreachableError, "Run again; the receipts tell what was committed."),
)
"""What an error and its text mean, the first that fits."""
