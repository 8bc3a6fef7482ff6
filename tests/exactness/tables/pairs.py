"""Pairs whose source is a database of another kind: the same table, the same chains of killed processes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from connectors.mysql.config import MySqlConfig
from connectors.mysql.source import MySqlSource
from connectors.sqlite.config import SqliteConfig
from connectors.sqlite.source import SqliteSource
from contracts.unit import UnitPolicy
from tests.exactness.moving import EIGHTH_BYTES, ROWS, TABLE, Pair
from tests.exactness.worker import FusedReads

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.mariadb import SandboxMariaDb
    from sandbox.postgres import SandboxPostgres
    from tests.exactness.executors import ExecutorName
    from tests.exactness.worker import Fuse

_MOMENT = "to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"


@dataclass
class TablePair(Pair):
    """A database that is no PostgreSQL, and a sink that is. Its schema is called ``public`` in the sink."""

    def read(self, sql: str) -> list[str]:
        """First column of the rows at the source."""
        raise NotImplementedError

    def both(self) -> tuple[list[str], list[str]]:
        """All rows as sorted text: source, sink."""
        moment = _MOMENT if self.seen_zoned else "to_char(changed_at, 'YYYY-MM-DD HH24:MI:SS.MS')"
        ours = self.look(f"SELECT concat_ws('|', id, note, {moment}) FROM {TABLE}").splitlines()
        return sorted(self.read(f"SELECT id || '|' || note || '|' || changed_at FROM {TABLE}")), sorted(ours)

    seen_zoned: ClassVar[bool] = False

    def drop(self) -> None:
        """Remove the sink's database."""
        self.sink_server.drop_database(self.sink)


@dataclass
class MariaDbPair(TablePair):
    """The source is a database of MariaDB."""

    mariadb: SandboxMariaDb | None = None
    source_maker: ClassVar[str] = "tests.exactness.tables.pairs:FusedMySqlSource"
    source_template: ClassVar[str] = "jdbc.mysql"
    now: ClassVar[str] = "NOW(6)"
    seen_zoned: ClassVar[bool] = True

    @property
    def source_url(self) -> str:
        """Over TCP."""
        assert self.mariadb is not None
        return self.mariadb.url(self.source)

    def open_source(self) -> MySqlSource:
        """The production source."""
        return MySqlSource(MySqlConfig.model_validate({"url": self.source_url}))

    def write(self, sql: str) -> str:
        """Run statements at the source."""
        self.read(sql)
        return ""

    def read(self, sql: str) -> list[str]:
        """First column of the rows of the last statement."""
        assert self.mariadb is not None
        settings = "SET sql_mode = PIPES_AS_CONCAT", "SET time_zone = '+00:00'"
        rows = self.mariadb.run(*settings, *sql.split("; "), database=self.source)
        return [row[0] for row in rows]

    def drop(self) -> None:
        """Remove both databases."""
        assert self.mariadb is not None
        self.mariadb.drop_database(self.source)
        super().drop()


@dataclass
class SqlitePair(TablePair):
    """The source is a file, by its path; its only schema is called ``main``."""

    source_maker: ClassVar[str] = "tests.exactness.tables.pairs:FusedSqliteSource"
    source_template: ClassVar[str] = "jdbc.sqlite"
    now: ClassVar[str] = "strftime('%Y-%m-%d %H:%M:%f', 'now')"

    @property
    def source_url(self) -> str:
        """Of the file."""
        return f"sqlite:///{self.source}"

    def open_source(self) -> SqliteSource:
        """The production source."""
        return SqliteSource(SqliteConfig.model_validate({"url": self.source_url}))

    def write(self, sql: str) -> str:
        """Run statements at the source."""
        self.read(sql)
        return ""

    def read(self, sql: str) -> list[str]:
        """First column of the rows of the last statement."""
        with closing(sqlite3.connect(self.source, isolation_level=None)) as connection:
            for statement in sql.replace("public.", "main.").split("; "):
                rows = connection.execute(statement).fetchall()
        return [row[0] for row in rows]


class FusedMySqlSource(FusedReads, MySqlSource):
    """A source that tells the fuse."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(MySqlConfig.model_validate({"url": url}))
        self._fuse = fuse


class FusedSqliteSource(FusedReads, SqliteSource):
    """A source that tells the fuse."""

    def __init__(self, url: str, fuse: Fuse) -> None:
        super().__init__(SqliteConfig.model_validate({"url": url}))
        self._fuse = fuse


def new_mariadb_pair(
    mariadb: SandboxMariaDb, postgres: SandboxPostgres, *, executor: ExecutorName = "threads"
) -> MariaDbPair:
    """A database called public, filled as the one of PostgreSQL is."""
    sink = postgres_sink(postgres, "sink_of_mariadb")
    pair = MariaDbPair(postgres, "public", sink, postgres, executor=executor, mariadb=mariadb)
    mariadb.create_database("public")
    pair.write(
        f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY, note text, changed_at timestamp(6) NOT NULL DEFAULT NOW(6), "
        "KEY (changed_at))"
    )
    pair.write(f"INSERT INTO {TABLE} (id, note) SELECT seq * 10, {_note('REPEAT', 'MD5(seq)')} FROM seq_1_to_{ROWS}")
    pair.write(f"ANALYZE TABLE {TABLE}")
    return pair


def new_sqlite_pair(folder: Path, postgres: SandboxPostgres) -> SqlitePair:
    """A file in the folder, filled in the same way."""
    sink = postgres_sink(postgres, "sink_of_sqlite")
    policy = UnitPolicy(target_namespace="public")
    pair = SqlitePair(postgres, str(folder / "moved.db"), sink, postgres, policy=policy)
    pair.write("PRAGMA journal_mode = wal")
    pair.write(
        f"CREATE TABLE {TABLE} (id INTEGER PRIMARY KEY, note TEXT, changed_at DATETIME NOT NULL DEFAULT ({pair.now}))"
    )
    filled = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})"
    note = "hex(i * 1234567) || substr(hex(zeroblob(60)), 1, 20 + i % 90)"
    pair.write(f"{filled} INSERT INTO {TABLE} (id, note) SELECT i * 10, {note} FROM n")
    return pair


def postgres_sink(postgres: SandboxPostgres, name: str) -> str:
    """An empty database of that name."""
    postgres.create_database(name)
    return name


def policy_of(pair: Pair, **more: object) -> UnitPolicy:
    """Eight slices or so, into the schema that the pair is compared in."""
    return pair.policy.model_copy(update={"target_slice_bytes": EIGHTH_BYTES, **more})


def _note(repeat: str, digest: str) -> str:
    return f"CONCAT({digest}, {repeat}('.', seq % 90))"
