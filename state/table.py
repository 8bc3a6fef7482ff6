"""State in a table ``kv_entries`` with compare-and-set, for SQLite and Postgres.

Every write is a single statement, so the database resolves races between threads and between processes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from contracts.errors import ConfigInvalidError
from contracts.state import KvEntry, KvKey
from state.entries import conflict, decode, encode
from state.layout import KV_LAYOUT
from state.table_postgres import PostgresTable
from state.table_sqlite import SqliteTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.model import Json
    from contracts.state import SqlDatabase
    from state.layout import TableLayout

# Both databases understand these statements: a dialect replaces only the table's name and the parameter marker.
# Postgres needs the casts to know the type of each parameter.
_WHERE = "WHERE namespace = CAST($1 AS text) AND scope_id = CAST($2 AS text) AND key = CAST($3 AS text)"
_GET = f"SELECT value, version, updated_at FROM kv_entries {_WHERE}"  # noqa: S608 - constants only
_INSERT = """INSERT INTO kv_entries AS stored (namespace, scope_id, key, value, version, updated_at)
    VALUES (CAST($1 AS text), CAST($2 AS text), CAST($3 AS text), CAST($4 AS text), 1, CAST($5 AS text))
    ON CONFLICT (namespace, scope_id, key)"""
_CREATE_ONCE = f"{_INSERT} DO NOTHING RETURNING version"
_WRITE = f"""{_INSERT} DO UPDATE
    SET value = excluded.value, version = stored.version + 1, updated_at = excluded.updated_at
    RETURNING version"""  # noqa: S608
_REPLACE = f"""UPDATE kv_entries
    SET value = CAST($4 AS text), version = version + 1, updated_at = CAST($5 AS text)
    {_WHERE} AND version = CAST($6 AS bigint)
    RETURNING version"""  # noqa: S608
_DELETE = f"DELETE FROM kv_entries {_WHERE} RETURNING version"  # noqa: S608
_LIST = "SELECT scope_id, key, value, version, updated_at FROM kv_entries WHERE namespace = CAST($1 AS text)"
_LIST_ALL = f"{_LIST} ORDER BY scope_id, key"
_LIST_SCOPE = f"{_LIST} AND scope_id = CAST($2 AS text) ORDER BY scope_id, key"


class TableKvStore:
    """Values as JSON text in ``kv_entries (namespace, scope_id, key, value, version, updated_at)``.

    The first call opens the database. Safe for several threads and processes, but not across a fork.
    """

    def __init__(self, table: SqlDatabase) -> None:
        self._table = table
        self._created = False
        self._lock = Lock()

    @property
    def compare_and_set(self) -> bool:
        """True: the writing statement compares the version."""
        return True

    def get(self, key: KvKey) -> KvEntry | None:
        """The entry, or None.

        Raises:
            StateUnavailableError: The database did not respond.
        """
        rows = self._run(_GET, _address(key))
        return _entry(key, *rows[0]) if rows else None

    def put(self, key: KvKey, value: Json, expected_version: int | None = None) -> KvEntry:
        """Write the value if the stored version is ``expected_version``; 0 means no entry, None means any version.

        Raises:
            CheckpointConflictError: The stored version is another one.
            StateUnavailableError: The database did not respond; the value may have been written.
        """
        text, at = encode(value), datetime.now(UTC).isoformat(timespec="microseconds")
        values = (*_address(key), text, at)
        if not expected_version:
            rows = self._run(_WRITE if expected_version is None else _CREATE_ONCE, values)
        else:
            rows = self._run(_REPLACE, (*values, expected_version))
        if not rows:
            raise conflict(key, expected_version or 0, self._version(key))
        return _entry(key, text, rows[0][0], at)

    def delete(self, key: KvKey) -> bool:
        """Remove the entry; False when there was none.

        Raises:
            StateUnavailableError: The database did not respond.
        """
        return bool(self._run(_DELETE, _address(key)))

    def list(self, namespace: str, scope_id: str | None = None) -> tuple[KvEntry, ...]:
        """All entries of the namespace (of one scope if given), ordered by scope and key, by code points.

        Raises:
            StateUnavailableError: The database did not respond.
        """
        rows = self._run(_LIST_ALL, (namespace,)) if scope_id is None else self._run(_LIST_SCOPE, (namespace, scope_id))
        return tuple(_entry(KvKey(namespace=namespace, scope_id=scope, key=key), *rest) for scope, key, *rest in rows)

    def close(self) -> None:
        """Close idle connections. The store can be used again afterwards."""
        self._table.close()

    def _version(self, key: KvKey) -> int:
        entry = self.get(key)
        return 0 if entry is None else entry.version

    def _run(self, statement: str, values: tuple[str | int, ...]) -> Sequence[tuple[Any, ...]]:
        with self._lock:
            if not self._created:
                self._table.create()
                self._created = True
        return self._table.run(statement, values)


def open_table_store(url: str, schema: str = "nucleus") -> TableKvStore:
    """A store over a database; see :func:`open_database`."""
    return TableKvStore(open_database(url, KV_LAYOUT, schema))


def open_database(url: str, layout: TableLayout, schema: str = "nucleus") -> SqlDatabase:
    """``sqlite:///relative/path``, ``sqlite:////absolute/path`` or ``postgresql://…``; nothing is contacted yet.

    Args:
        url: The database; it may contain a password, which no error repeats.
        layout: The tables that it has.
        schema: Postgres schema of the tables; SQLite has none.

    Raises:
        ConfigInvalidError: The URL has none of these forms.
    """
    scheme, _, location = url.partition("://")
    if scheme in {"postgresql", "postgres"}:
        return PostgresTable(url, schema, layout)
    path = location.removeprefix("/")
    if scheme == "sqlite" and location.startswith("/") and path not in {"", ":memory:"}:
        return SqliteTable(Path(path), layout=layout)
    raise ConfigInvalidError(
        "The URL of the state store is neither sqlite:///path nor postgresql://host/database",
        "Use one of the two. A SQLite store needs a file, because one in memory cannot be shared.",
        field="url",
    )


def _address(key: KvKey) -> tuple[str, str, str]:
    return key.namespace, key.scope_id, key.key


def _entry(key: KvKey, text: str, version: int, updated_at: str) -> KvEntry:
    at = datetime.fromisoformat(updated_at)
    return KvEntry(key=key, value=decode(text, key), version=version, updated_at=at)
