"""The ADBC driver: the one that came with the package, or a library that an operator names.

A wheel of adbc-driver-postgresql 1.9 to 1.13 is compiled without optimisation; the same source built with it reads and
writes two to four times cheaper. ``adbc_driver_manager`` loads any library by its path.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import adbc_driver_postgresql
from adbc_driver_manager import dbapi

from contracts.errors import DependencyMissingError

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

LIBRARY = "NUCLEUS_POSTGRES_DRIVER"
"""Environment variable with the path of a driver library (``libadbc_driver_postgresql.so``)."""
OLDEST = (1, 13)
"""Of adbc-driver-postgresql. Those before 1.12 corrupt decimals without an error; 1.13 knows the option below."""
_DATABASE_OPTIONS = {"adbc.postgresql.type_resolver_mode": "builtin"}
"""Asking each server for all its types is 40 ms of work a connection, and columns of a user's type are read as text."""


def library() -> str:
    """The path of the library that connections use."""
    return os.environ.get(LIBRARY) or adbc_driver_postgresql._driver_path()  # noqa: SLF001 - no public name


def open_connection(uri: str) -> Connection:
    """A connection in autocommit.

    Raises:
        adbc_driver_manager.dbapi.Error: The server did not let us in.
        DependencyMissingError: The library that was named cannot be loaded.
    """
    named = os.environ.get(LIBRARY)
    try:
        return dbapi.connect(driver=library(), db_kwargs={"uri": uri, **_DATABASE_OPTIONS}, autocommit=True)
    except dbapi.Error as error:
        if named and "[Driver Manager]" in str(error):
            raise DependencyMissingError(
                f"The driver library {named!r} cannot be loaded", f"Correct {LIBRARY}, or unset it.", library=named
            ) from error
        raise


def require_sound() -> None:
    """Refuse an installed driver that corrupts values.

    Raises:
        DependencyMissingError: It is too old.
    """
    version = adbc_driver_postgresql.__version__
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if found < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise DependencyMissingError(
            f"adbc-driver-postgresql {version} is too old (before 1.12 it corrupts decimals); {needed} is needed",
            f"Install adbc-driver-postgresql>={needed}; requirements/runtime.lock has the tested version.",
            installed=version,
        )
