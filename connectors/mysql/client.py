"""Connections to a server: one place that connects, one set of session settings, errors translated."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from connectors.mysql.errors import LOST, number_of, translate
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from connectors.mysql.config import MySqlConfig

_INTERRUPTED = 1317
_NULL, _WIDTHS = 0xFB, {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""The first byte of a column that is NULL, or whose length takes more than that byte."""
_LONG_S = 7 * 86_400
# Text renderings and comparisons must be the same whatever a server or an account has set, and a session that holds a
# view does nothing for as long as the run lasts. What a server does not have is left out.
_SETTINGS = {
    "sql_mode": "'NO_BACKSLASH_ESCAPES'", "time_zone": "'+00:00'", "sql_select_limit": "18446744073709551615",
    "sql_auto_is_null": "0", "wait_timeout": str(_LONG_S), "net_write_timeout": str(_LONG_S),
    "net_read_timeout": str(_LONG_S), "max_statement_time": "0", "max_execution_time": "0",
    "idle_transaction_timeout": "0", "idle_readonly_transaction_timeout": "0",
    "information_schema_stats_expiry": "0",
}  # fmt: skip
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"


class MySqlSession:
    """One connection, used by one thread at a time. Every failure is raised as an ``IngestionError``.

    Attributes:
        lost: True when the connection is of no more use.
    """

    def __init__(self, connection: Connection[Any], config: MySqlConfig) -> None:
        self._connection: Any = connection  # its stubs leave out what is needed of it
        self._config = config
        self.lost = False

    @property
    def thread_id(self) -> int:
        """The server's number of this connection."""
        return int(self._connection.thread_id())

    def execute(self, sql: str, doing: str) -> None:
        """A statement without a result."""
        self.rows(sql, doing)

    def rows(self, sql: str, doing: str) -> list[tuple[Any, ...]]:
        """A small result: every value as text, NULL as None."""
        with self._errors(doing), closing(self._connection.cursor()) as cursor:
            cursor.execute(sql)
            return [tuple(_text(value) for value in row) for row in cursor.fetchall()]

    @contextmanager
    def fetch(self, sql: str, doing: str) -> Iterator[Callable[[int], Sequence[Sequence[Any]]]]:
        """What fetches the next so many rows, every value as the server's bytes; the rest is let go at the end."""
        with self._errors(doing):
            cursor = self._connection.cursor(SSCursor)
            try:
                cursor.execute(sql)
                # The driver's own reading of a row takes three times as long; where it has none of that name, it reads.
                self._connection._result._read_row_from_packet = row_of  # noqa: SLF001
                yield cursor.fetchmany
            finally:
                self._let_go(cursor)

    def _let_go(self, cursor: SSCursor) -> None:
        """End the query on the server, if it still sends, so that the session can be used again."""
        result = self._connection._result  # noqa: SLF001 - the driver tells nobody whether rows are left
        sends = not self.lost and result is not None and result.unbuffered_active
        if sends:
            with suppress(IngestionError), closing(connect(self._config)) as other:
                other.execute(f"KILL QUERY {self.thread_id}", "ending a query")
        with suppress(pymysql.Error):
            cursor.close()
        if sends:
            with suppress(pymysql.Error), closing(self._connection.cursor()) as quiet:
                quiet.execute("DO 0")  # takes a signal that came too late

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (pymysql.Error, OSError) as error:
            self.lost = self.lost or not number_of(error) or number_of(error) in LOST
            raise translate(error, doing) from error

    def close(self) -> None:
        """Close the connection; an open transaction ends."""
        with suppress(pymysql.Error, OSError):
            self._connection.close()


def row_of(packet: Any) -> list[bytes | None]:
    """The columns of a row, as bytes (MySQL manual, "Text Resultset Row" and "Protocol::LengthEncodedString")."""
    data: bytes = packet.get_all_data()
    row: list[bytes | None] = []
    position, size = 0, len(data)
    while position < size:
        length = data[position]
        position += 1
        if length == _NULL:
            row.append(None)
            continue
        if length > _NULL:
            width = _WIDTHS[length]
            length = int.from_bytes(data[position : position + width], "little")
            position += width
        row.append(data[position : position + length])
        position += length
    return row


def connect(config: MySqlConfig) -> MySqlSession:
    """A session in autocommit with the settings above.

    Raises:
        SourceUnreachableError, SourceAuthError, SourceTlsError: As the name says.
    """
    doing = f"connecting to {config.socket or f'{config.host}:{config.port}'}"
    secret = config.password.get_secret_value() if config.password else ""
    try:
        connection = _Connection(
            host=config.host,
            port=config.port,
            unix_socket=config.socket,
            user=config.user,
            password=secret,
            database=config.database,
            charset="utf8mb4",
            use_unicode=False,
            conv={},
            autocommit=True,
            connect_timeout=config.connect_timeout_s,
            program_name="nucleus",
            **_tls(config),
        )
    except (pymysql.Error, OSError, RuntimeError) as error:
        raise translate(error, doing) from None  # the cause's frames hold the password
    session = MySqlSession(connection, config)
    try:
        _keep_alive(connection)
        _set_up(session, doing)
    except BaseException:
        session.close()
        raise
    return session


def reader(config: MySqlConfig) -> MySqlSession:
    """A session inside a read transaction, which shows the moment at which this returns."""
    session = connect(config)
    try:
        begin(session)
    except BaseException:
        session.close()
        raise
    return session


def begin(session: MySqlSession) -> None:
    """Begin a read transaction that shows this moment; one that is open ends."""
    session.execute(SNAPSHOT, "opening a view")


def _set_up(session: MySqlSession, doing: str) -> None:
    names = ", ".join(f"'{name}'" for name in _SETTINGS)
    there = session.rows(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({names})", doing)
    assignments = ", ".join(f"SESSION {name} = {_SETTINGS[name]}" for name, _ in there)
    session.execute(f"SET {assignments}", doing)
    session.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", doing)


def _keep_alive(connection: Connection[Any]) -> None:
    """A server that vanished without a word is noticed in a minute, not in the hours an operating system waits."""
    sock = getattr(connection, "_sock", None)
    if sock is not None and sock.family != socket.AF_UNIX:
        for name, value in _KEEPALIVE.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _Connection(Connection):
    """As the driver's, but what checks no certificate does not read this machine's authorities.

    They are read for every connection otherwise, which is more CPU than all else that connecting takes: 70 ms.
    """

    def _create_ssl_ctx(self, sslp: ssl.SSLContext | dict[str, Any]) -> ssl.SSLContext:
        """The context of a connection; the driver asks for one without options where TLS is welcome, not required."""
        if not sslp:
            return _unchecked()
        made: ssl.SSLContext = super()._create_ssl_ctx(sslp)  # type: ignore[misc]  # the stubs leave it out
        return made


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _tls(config: MySqlConfig) -> dict[str, Any]:
    """The driver takes TLS where a server offers it, without checking anything, unless it is told otherwise."""
    if config.tls == "disable":
        return {"ssl_disabled": True}
    if config.tls == "prefer" and config.tls_ca is None and config.tls_cert is None:
        return {}
    checked = config.tls.startswith("verify")
    try:
        context = ssl.create_default_context(cafile=config.tls_ca) if checked else _unchecked()
        if config.tls_ca is not None and not checked:
            context.load_verify_locations(config.tls_ca)  # so that a file that cannot be read is said
        if config.tls_cert is not None:
            context.load_cert_chain(config.tls_cert, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise RuntimeError(2026, f"the certificates cannot be read: {error}") from error
    context.check_hostname = config.tls == "verify-full"
    return {"ssl": context}


def _text(value: Any) -> Any:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value
