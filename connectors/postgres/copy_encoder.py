"""What makes the bytes of a binary COPY: the ADBC driver, or pgpq of the extra ``fast``.

The wheels of the driver are compiled without optimisation: pgpq, which is written in Rust, encodes the same rows for a
quarter of the CPU. Its bytes have to go through a connection of psycopg, which is loaded for large slices only. Beside
a driver library that an operator named there is nothing to gain. ``benchmarks/`` shows both.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from connectors.postgres.driver import LIBRARY
from contracts.errors import ConfigInvalidError, DependencyMissingError

ENCODER = "NUCLEUS_POSTGRES_COPY"
"""Environment variable with the encoder to use whatever a slice's size: ``driver`` or ``pgpq``."""
DRIVER, PGPQ = "driver", "pgpq"
WORTH_ROWS = 20_000
"""Loading two more libraries and connecting once more takes as long as the driver needs for about so many rows."""


def is_used(rows: int) -> bool:
    """Whether pgpq encodes a slice of so many rows.

    Raises:
        ConfigInvalidError: The encoder that is named is none.
        DependencyMissingError: pgpq is named and not installed.
    """
    named = os.environ.get(ENCODER)
    if named not in {None, "", DRIVER, PGPQ}:
        raise ConfigInvalidError(f"{ENCODER} is {named!r}", f"Set it to {DRIVER} or {PGPQ}, or unset it.")
    if named == DRIVER:
        return False
    if named == PGPQ:
        if not is_installed():
            raise DependencyMissingError(
                f"{ENCODER} names pgpq, which is not installed", "Install nucleus-ingestion[fast], or unset it."
            )
        return True
    return rows >= WORTH_ROWS and not os.environ.get(LIBRARY) and is_installed()


def is_installed() -> bool:
    """Whether the extra ``fast`` is there."""
    return all(find_spec(name) is not None for name in ("pgpq", "psycopg", "pyarrow"))
