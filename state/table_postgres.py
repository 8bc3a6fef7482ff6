"""The table ``kv_entries`` in Postgres, for workers on several machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from contracts.errors import StateUnavailableError
from state.connections import IdleConnections

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

_CONNECT_TIMEOUT_S = 10

# IF NOT EXISTS is not safe if another process creates the same object concurrently (a sink may use the same schema),
# and it requires the CREATE privilege even if everything exists.
_DDL = """DO $body$ BEGIN
    IF to_regclass({table_text}) IS NULL THEN
        BEGIN
            IF to_regnamespace({schema_text}) IS NULL THEN CREATE SCHEMA {schema}; END IF;
        EXCEPTION WHEN duplicate_schema OR unique_violation THEN NULL;
        END;
        BEGIN
            CREATE TABLE {table} (
                namespace text COLLATE "C" NOT NULL,
                scope_id text COLLATE "C" NOT NULL,
                key text COLLATE "C" NOT NULL,
                value text NOT NULL, version bigint NOT NULL, updated_at text NOT NULL,
                PRIMARY KEY (namespace, scope_id, key)
            );
        EXCEPTION WHEN duplicate_table OR duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
END $body$"""


class PostgresTable:
    """A table in ``schema`` of the database at ``url``, in autocommit mode."""

    def __init__(self, url: str, schema: str = "nucleus") -> None:
        self._url = url
        self._place = _place(url)
        self._schema = _quoted(schema)
        self._table = f"{self._schema}.kv_entries"
        self._connections: IdleConnections[Connection] = IdleConnections(self._open, _answers)

    def create(self) -> None:
        """Create schema and table if they are missing.

        Raises:
            StateUnavailableError: The database did not respond, or the account lacks the CREATE privilege.
        """
        names = {"schema": self._schema, "table": self._table}
        texts = {f"{name}_text": "'" + value.replace("'", "''") + "'" for name, value in names.items()}
        self.run(_DDL.format(**names, **texts), ())

    def run(self, statement: str, values: tuple[str | int, ...]) -> list[tuple[Any, ...]]:
        """Execute and commit one statement, which names the table ``kv_entries``; return its rows.

        Raises:
            StateUnavailableError: The database did not respond or refused the statement; a write may have happened.
        """
        import adbc_driver_manager as adbc  # noqa: PLC0415 - heavy, and other stores do not need it
        import polars as pl  # noqa: PLC0415

        qualified = statement if not values else statement.replace("kv_entries", self._table)
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

    def _open(self) -> Connection:
        from adbc_driver_manager import Error  # noqa: PLC0415
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415

        try:
            connection: Connection = dbapi.connect(_with_timeout(self._url), autocommit=True)
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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
