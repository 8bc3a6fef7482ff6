"""Sessions with a PostgreSQL server: one place that connects, one set of session settings, errors translated.

The driver runs in autocommit and transactions are plain ``BEGIN``/``COMMIT``: with the driver's own transactions a
failed ``COPY`` leaves no way back to a savepoint.
"""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import adbc_driver_postgresql
import polars as pl
from adbc_driver_postgresql import dbapi

from connectors.postgres.arrow_stream import StreamError, frames
from connectors.postgres.config import PostgresConfig, conninfo
from connectors.postgres.driver import open_connection, require_sound
from connectors.postgres.errors import Side, translate
from connectors.postgres.sql import ident, literal
from contracts.errors import IngestionError, SinkUnreachableError, SourceUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_USE_COPY = adbc_driver_postgresql.StatementOptions.USE_COPY.value
_BATCH_BYTES = adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value

READER_MARK = ":nucleus-reader"
"""Ends the application name of sessions that only read, so that a watermark does not wait for them."""

# Text renderings must be the same on both sides, whatever a database or role has set.
_SETTINGS = {
    "search_path": "", "timezone": "UTC", "datestyle": "ISO, YMD", "intervalstyle": "postgres",
    "extra_float_digits": "1", "bytea_output": "hex", "lc_monetary": "C", "standard_conforming_strings": "on",
    "xmloption": "content", "idle_in_transaction_session_timeout": "0", "quote_all_identifiers": "off",
    "default_transaction_isolation": "read committed", "jit": "off",
    # A client that vanished without a word must not keep its locks for the hours a server waits by default.
    "tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3",
}  # fmt: skip


# A slice's work table and the join with it fit in memory; both are bounded by the slice's size.
_SINK_SETTINGS = {"temp_buffers": "64MB", "work_mem": "64MB"}

# A view and a lock are held by sessions that do nothing for as long as the run lasts. Older servers lack these.
_NO_TIME_LIMITS = """
SELECT set_config(name, '0', false) AS done FROM pg_catalog.pg_settings
WHERE name IN ('transaction_timeout', 'idle_session_timeout') AND setting <> '0'
"""


class Session:
    """One connection, used by one thread. Every failure is raised as an ``IngestionError``."""

    def __init__(self, connection: dbapi.Connection, side: Side) -> None:
        self._connection = connection
        self._side = side

    @contextmanager
    def _cursor(self, doing: str) -> Iterator[dbapi.Cursor]:
        try:
            with closing(self._connection.cursor()) as cursor:
                yield cursor
        except (dbapi.Error, StreamError) as error:
            raise translate(error, self._side, doing) from error

    def execute(self, sql: str, doing: str = "running a statement") -> int:
        """Run a statement; returns affected rows, -1 where the server does not say."""
        with self._cursor(doing) as cursor:
            cursor.execute(sql)
            return int(cursor.rowcount)

    def rows(self, sql: str, doing: str = "running a query") -> list[tuple[Any, ...]]:
        """A small result as Python tuples; cast columns to text, bigint or boolean in the query."""
        with self._cursor(doing) as cursor:
            cursor.adbc_statement.set_options(**{_USE_COPY: "false"})
            cursor.execute(sql)
            return pl.DataFrame(cursor.fetch_arrow()).rows()

    def value(self, sql: str, doing: str = "running a query") -> Any:
        """First column of the first row, or None."""
        rows = self.rows(sql, doing)
        return rows[0][0] if rows else None

    def stream(self, sql: str, batch_bytes: int, doing: str) -> Iterator[pl.DataFrame]:
        """A result of any size in frames of about ``batch_bytes``; at least one frame, maybe without rows."""
        with self._cursor(doing) as cursor:
            cursor.adbc_statement.set_options(**{_BATCH_BYTES: str(batch_bytes)})
            cursor.execute(sql)
            yield from frames(cursor.fetch_arrow())

    def copy_in(self, table: str, frame: pl.DataFrame, *, schema: str | None, doing: str) -> None:
        """Binary ``COPY`` of the frame into a table; into a temporary one when ``schema`` is None."""
        with self._cursor(doing) as cursor:
            if schema is None:
                cursor.adbc_ingest(table, frame, mode="append", temporary=True)
            else:
                cursor.adbc_ingest(table, frame, mode="append", db_schema_name=schema)

    @contextmanager
    def transaction(self, how: str = "") -> Iterator[None]:
        """``BEGIN how`` … ``COMMIT``, or ``ROLLBACK`` when the block raises."""
        self.execute(f"BEGIN {how}", "beginning a transaction")
        try:
            yield
        except BaseException:
            with suppress(Exception):
                self.execute("ROLLBACK", "rolling back")
            raise
        self.execute("COMMIT", "committing")

    def driver_version(self) -> str:
        """Name and version of the driver, as it says them."""
        said = self._connection.adbc_get_info()
        return f"{said.get('driver_name', 'unknown')} {said.get('driver_version', '')}".strip()

    def alive(self) -> bool:
        """Whether the server still answers on this connection."""
        try:
            self.rows("SELECT true AS here", "asking whether the connection still stands")
        except IngestionError:
            return False
        return True

    def close(self) -> None:
        """Close the connection; a broken one is simply let go."""
        with suppress(Exception):
            self._connection.close()


class PostgresClient:
    """Makes and keeps sessions for one endpoint. Safe to use from several threads."""

    def __init__(self, config: PostgresConfig, side: Side) -> None:
        """Nothing is contacted yet.

        Raises:
            DependencyMissingError: The installed driver is one that corrupts values.
        """
        require_sound()
        self.config = config
        self.side = side
        self._idle: list[Session] = []
        self._lock = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session from the idle ones or a new one; given back afterwards, thrown away after an error."""
        session = self._idle_one() or self.connect()
        try:
            yield session
        except BaseException as error:
            session.close()
            if isinstance(error, SourceUnreachableError | SinkUnreachableError):
                self.close()  # what broke this connection has most likely broken the idle ones too
            raise
        with self._lock:
            self._idle.append(session)

    def _idle_one(self) -> Session | None:
        # An idle connection can break; checking it costs one round trip and spares a run its first failure.
        while True:
            with self._lock:
                if not self._idle:
                    return None
                session = self._idle.pop()
            if session.alive():
                return session
            session.close()

    def connect(self) -> Session:
        """A new session with our settings, outside the idle ones; the caller closes it."""
        where = f"connecting to {self.config.host}:{self.config.port}/{self.config.database}"
        try:
            connection = open_connection(conninfo(self.config))
        except dbapi.Error as error:
            raise translate(error, self.side, where) from error
        session = Session(connection, self.side)
        try:
            self._prepare(session)
        except BaseException:
            session.close()
            raise
        return session

    def _prepare(self, session: Session) -> None:
        settings = dict(_SETTINGS)
        settings["statement_timeout"] = str(int(self.config.statement_timeout_s * 1000))
        settings["row_security"] = "on" if self.config.allow_row_security or self.side == "sink" else "off"
        if self.side == "sink":
            settings |= _SINK_SETTINGS
        else:
            settings["application_name"] = f"{self.config.application_name[:40]}{READER_MARK}"
            settings["default_transaction_read_only"] = "on"
        if self.config.role:
            session.execute(f"SET ROLE {ident(self.config.role)}", f"switching to role {self.config.role}")
        calls = " || ".join(f"set_config({literal(name)}, {literal(value)}, false)" for name, value in settings.items())
        session.rows(f"SELECT {calls}", "preparing the session")
        session.rows(_NO_TIME_LIMITS, "preparing the session")

    def close(self) -> None:
        """Close idle sessions."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()
