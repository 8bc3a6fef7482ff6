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
    SinkPrivilegeError,
    SinkTlsError,
    SinkUnreachableError,
    SinkWriteFailedError,
    UpsertError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    if isinstance(error, (iceberg.UnauthorizedError, iceberg.AuthorizationExpiredError, iceberg.OAuthError)) or any(
        sign in text for sign in _UNAUTHORISED
    ):
        return SinkAuthError(what, "Check the catalog's and the storage's credentials.")
    if isinstance(error, (iceberg.ForbiddenError, PermissionError)) or any(sign in text for sign in _DENIED):
        return SinkPrivilegeError(what, "Grant the right to write there.")
    if isinstance(error, http.SSLError):
        return SinkTlsError(what, "Check the certificates.")
    if isinstance(error, sql.OperationalError) and "database is locked" in text:
        return SinkLockedError(what, "Run again; another process is writing the catalog.")
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return SinkWriteFailedError(what, "Make room, then run again.")
    return SinkUnreachableError(what, "Run again; the receipts tell what was committed.")
