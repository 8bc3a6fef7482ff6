"""How fast the driver in use encodes and decodes, on a server of the operator's: seconds of this process's CPU."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import polars as pl

from connectors.postgres import copy_encoder
from connectors.postgres.driver import LIBRARY, library

if TYPE_CHECKING:
    from connectors.postgres.client import PostgresClient
    from contracts.model import Json

ROWS = 100_000
COLUMNS = 16
_BATCH_BYTES = 8 * 1024 * 1024
_ROWS_SQL = f"""
SELECT i AS id, i % 7 AS kind, i::bigint * 1000 AS part, (i % 50)::int AS quantity,
       (i % 1000)::float8 AS price, 0.04::float8 AS discount, 0.02::float8 AS tax, 'N' AS flag,
       'O' AS status, date '1996-01-01' + (i % 2000) AS shipped, date '1996-02-01' + (i % 2000) AS committed,
       date '1996-03-01' + (i % 2000) AS received, 'DELIVER IN PERSON' AS instruction, 'TRUCK' AS mode,
       md5(i::text) AS comment, i::float8 AS weight
FROM generate_series(1, {ROWS}) i
"""
_TABLE = f"CREATE TEMPORARY TABLE nucleus_doctor ON COMMIT DELETE ROWS AS SELECT * FROM ({_ROWS_SQL}) r LIMIT 0"


def driver_report(client: PostgresClient) -> Json:
    """Read rows that the server makes up, and write them into a temporary table.

    Returns:
        ``{library, is_named, version, encoder, rows, columns, read, write}``; encoder is ``driver`` or ``pgpq``, read
        and write are ``{seconds, cpu_seconds}``, of this process only.

    Raises:
        IngestionError: A subclass for each cause why the server did not let us.
    """
    with client.session() as session:
        version = session.driver_version()
        begun = time.monotonic(), time.process_time()
        frame = pl.concat(session.stream(_ROWS_SQL, _BATCH_BYTES, "reading rows"))
        read = time.monotonic(), time.process_time()
        if frame.shape != (ROWS, COLUMNS):
            raise RuntimeError(f"the driver gave {frame.shape}, not {(ROWS, COLUMNS)}")
    for rows in (frame.clear(), frame):  # what is loaded once is not part of the cost
        with client.writing(ROWS) as writer:
            writer.execute(_TABLE, "making a temporary table")
            prepared = time.monotonic(), time.process_time()
            writer.copy_in("nucleus_doctor", rows, schema=None, doing="writing rows")
            written = time.monotonic(), time.process_time()
            writer.execute("DROP TABLE pg_temp.nucleus_doctor", "dropping the temporary table")
    return {
        "library": library(),
        "is_named": bool(os.environ.get(LIBRARY)),
        "version": version,
        "encoder": copy_encoder.PGPQ if copy_encoder.is_used(ROWS) else copy_encoder.DRIVER,
        "rows": ROWS,
        "columns": COLUMNS,
        "read": _spent(begun, read),
        "write": _spent(prepared, written),
    }


def _spent(begun: tuple[float, float], ended: tuple[float, float]) -> Json:
    return {"seconds": round(ended[0] - begun[0], 3), "cpu_seconds": round(ended[1] - begun[1], 3)}
