"""Tables in Postgres, for workers on several machines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from contracts.errors import StateUnavailableError
from state.connections import IdleConnections
from state.layout import KV_LAYOUT

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

    from state.layout import TableLayout

_CONNECT_TIMEOUT_S = 10
# The statements here use built-in types only; asking a server for all its types costs 40 ms of each connection.
_OPTIONS = {"adbc.postgresql.type_resolver_mode": "builtin"}

# IF NOT EXISTS is not safe if another process creates the same object concurrently (a sink may use the same schema),
# and it requires the CREATE privilege even if everything exists.
_SCHEMA_DDL = """DO $body$ BEGIN
    IF to_regnamespace({schema_text}) IS NULL THEN CREATE SCHEMA {schema}; END IF;
EXCEPTION WHEN duplicate_schema OR unique_violation THEN NULL;
END $body$"""
_TABLE_DDL = """DO $body$ BEGIN
    IF to_regclass({name_text}) IS NULL THEN
        BEGIN {statement};
        EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
END $body$"""
_TEXT = 'text COLLATE "C"'


class PostgresTable:
    """Tables in ``schema`` of the database at ``url``, in autocommit mode."""

    def __init__(self, url: str, schema: str = "nucleus", layout: TableLayout = KV_LAYOUT) -> None:
        self._url = url
        self._layout = layout
        self._place = _place(url)
        self._schema = _quoted(schema)
        self._connections: IdleConnections[Connection] = IdleConnections(self._open, _answers)

    def create(self) -> None:
        """Create schema and tables if they are missing.

        Raises:
            StateUnavailableError: The database did not respond, or the account lacks the CREATE privilege.
        """
        if all(self._exists(name) for name in (*self._layout.tables, *self._layout.indexes)):
            return
        self.run(_SCHEMA_DDL.format(schema=self._schema, schema_text=_literal(self._schema)), ())
        for name, columns in self._layout.tables.items():
            self._make(name, f"CREATE TABLE {self._schema}.{name} ({columns.format(text=_TEXT)})")
        for name, place in self._layout.indexes.items():
            self._make(name, f"CREATE INDEX {name} ON {self._schema}.{place}")

    def run(self, statement: str, values: tuple[str | int | None, ...]) -> list[tuple[Any, ...]]:
        """Execute and commit one statement; the layout's tables are named without their schema. Return its rows.

        Raises:
            StateUnavailableError: The database did not respond or refused the statement; a write may have happened.
        """
        import adbc_driver_manager as adbc  # noqa: PLC0415 - heavy, and other stores do not need it
        import polars as pl  # noqa: PLC0415

        qualified = statement if not values else self._qualified(statement)
        with self._connections.lend() as connection:
            try:
                with connection.cursor() as cursor:
                    cursor.execute(qualified, values or None)
                    return pl.DataFrame(cursor.fetch_arrow()).rows()
            except (adbc.Error, pl.exceptions.PolarsError, OSError) as error:
                raise self._unavailable(error) from error

    def close(self) -> None:
        """Close idle connections."""
        self._connections.close()

    def _exists(self, name: str) -> bool:
        found = self.run(f"SELECT to_regclass({_literal(f'{self._schema}.{name}')}) IS NOT NULL AS found", ())
        return bool(found[0][0])

    def _make(self, name: str, statement: str) -> None:
        self.run(_TABLE_DDL.format(name_text=_literal(f"{self._schema}.{name}"), statement=statement), ())

    def _qualified(self, statement: str) -> str:
        return re.sub("|".join(self._layout.tables), lambda found: f"{self._schema}.{found[0]}", statement)

    def _open(self) -> Connection:
        from adbc_driver_manager import Error  # noqa: PLC0415
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415

        try:
            connection: Connection = dbapi.connect(_with_timeout(self._url), db_kwargs=_OPTIONS, autocommit=True)
        except Error as error:
            reason = _reason(str(error))
        else:
            return connection
        # Raised outside the handler: the driver's error for a malformed URL can contain the password.
        raise self._unavailable(reason)

    def _unavailable(self, error: Exception | str) -> StateUnavailableError:
        lines = str(error).partition("Query was:")[0].splitlines() or ["no reason given"]
        return StateUnavailableError(
            f"The state database at {self._place} cannot be used: {lines[0].strip()}",
            "Check that it runs and can be reached, and that the account may use the state table's schema.",
            place=self._place,
            sqlstate=getattr(error, "sqlstate", None),
        )


def _answers(connection: Connection) -> bool:
    # State calls are rare: one round trip costs less than a checkpoint lost because the server was restarted.
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception:  # noqa: BLE001 - whatever it is, a new connection reports it better
        return False
    return True


def _reason(message: str) -> str:
    _, separator, reason = message.partition(" failed: ")
    return reason if separator else "the driver cannot connect with this URL"


def _with_timeout(url: str) -> str:
    if "connect_timeout=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}connect_timeout={_CONNECT_TIMEOUT_S}"


def _place(url: str) -> str:
    # An unescaped slash or at sign in a password makes the URL ambiguous; then no part of it is shown.
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        return "the given URL"
    if url.count("@") > 1 or ("@" in url) != ("@" in parts.netloc) or not parts.hostname:
        return "the given URL"
    return f"{parts.hostname}:{port}{parts.path}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
