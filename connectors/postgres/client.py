"""Sessions with a PostgreSQL server: one place that connects, one set of session settings, errors translated."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from adbc_driver_postgresql import dbapi

from connectors.postgres import copy_encoder
from connectors.postgres.config import PostgresConfig, conninfo
from connectors.postgres.driver import open_connection, require_sound
from connectors.postgres.errors import Side, translate
from connectors.postgres.session import Session, SqlSession
from connectors.postgres.sql import ident, literal
from contracts.errors import SinkUnreachableError, SourceUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

SessionT = TypeVar("SessionT", bound=SqlSession)

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
        self._sessions = _IdleSessions(self.connect)
        self._writers = _IdleSessions(self._connect_writer)

    def session(self) -> AbstractContextManager[Session]:
        """A session from the idle ones or a new one; given back afterwards, thrown away after an error."""
        return self._lent(self._sessions)

    def writing(self, rows: int) -> AbstractContextManager[SqlSession]:
        """As :meth:`session`, for a transaction that brings so many rows in; it has the cheapest encoder there is.

        Raises:
            ConfigInvalidError: The encoder that an operator names is none.
            DependencyMissingError: It is not installed.
        """
        if copy_encoder.is_used(rows):
            return self._lent(self._writers)
        return self.session()

    @contextmanager
    def _lent(self, idle: _IdleSessions[SessionT]) -> Iterator[SessionT]:
        try:
            with idle.session() as session:
                yield session
        except (SourceUnreachableError, SinkUnreachableError):
            self.close()  # what broke this connection has most likely broken the idle ones too
            raise

    def connect(self) -> Session:
        """A new session with our settings, outside the idle ones; the caller closes it."""
        try:
            connection = open_connection(conninfo(self.config))
        except dbapi.Error as error:
            raise translate(error, self.side, self._connecting()) from error
        return self._prepared(Session(connection, self.side))

    def _connect_writer(self) -> SqlSession:
        from connectors.postgres.pgpq_session import PgpqSession  # noqa: PLC0415 - of an extra

        return self._prepared(PgpqSession.open(conninfo(self.config), self.side, self._connecting()))

    def _connecting(self) -> str:
        return f"connecting to {self.config.host}:{self.config.port}/{self.config.database}"

    def _prepared(self, session: SessionT) -> SessionT:
        try:
            self._prepare(session)
        except BaseException:
            session.close()
            raise
        return session

    def _prepare(self, session: SqlSession) -> None:
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
        self._sessions.close()
        self._writers.close()


class _IdleSessions(Generic[SessionT]):
    """Sessions of one kind that nobody uses."""

    def __init__(self, connect: Callable[[], SessionT]) -> None:
        self._connect = connect
        self._idle: list[SessionT] = []
        self._lock = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[SessionT]:
        """One of them, or a new one; it comes back unless the block raises."""
        session = self._idle_one() or self._connect()
        try:
            yield session
        except BaseException:
            session.close()
            raise
        with self._lock:
            self._idle.append(session)

    def _idle_one(self) -> SessionT | None:
        # An idle connection can break; checking it costs one round trip and spares a run its first failure.
        while True:
            with self._lock:
                if not self._idle:
                    return None
                session = self._idle.pop()
            if session.alive():
                return session
            session.close()

    def close(self) -> None:
        """Close them."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()
