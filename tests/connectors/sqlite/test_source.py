from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import pytest

from connectors.sqlite.config import SqliteConfig
from connectors.sqlite.source import SqliteSource
from tests.conformance.source_suite import SourceSuite

if TYPE_CHECKING:
    from pathlib import Path


class SqliteSystem:
    """Tables of one file as the suite wants them."""

    secret = "there is none"

    def __init__(self, folder: Path) -> None:
        self.folder, self.path, self._numbers = folder, folder / "shop.db", count(1)
        self.run("PRAGMA journal_mode = wal")

    def run(self, sql: str, *rows) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            if rows:
                connection.execute("BEGIN")
                connection.executemany(sql, rows)
                connection.execute("COMMIT")
            else:
                connection.execute(sql)

    def source(self) -> SqliteSource:
        return SqliteSource(SqliteConfig(path=self.path))

    def broken_sources(self):
        rubbish = self.folder / "rubbish.db"
        rubbish.write_bytes(b"no database" * 1000)
        yield "E_SOURCE_UNREACHABLE", SqliteSource(SqliteConfig(path=self.folder / "none.db"))
        yield "E_SOURCE_VALUE", SqliteSource(SqliteConfig(path=rubbish))

    def make(self, rows: int, *, keyed: bool = True, padding: int = 0) -> str:
        name = f"things_{next(self._numbers)}"
        self.run(
            f"CREATE TABLE {name} (id integer {'PRIMARY KEY' if keyed else 'NOT NULL'}, name text, amount bigint, "
            "changed integer)"
        )
        if rows:
            values = [(n, f"row {n}{'x' * padding}", n * 10, n) for n in range(rows)]
            self.run(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", *values)
        return f"main.{name}"

    def rename(self, dataset_id: str, key: int, name: str) -> None:
        self.run(f"UPDATE {dataset_id} SET name = ? WHERE id = ?", (name, key))

    def move_row(self, dataset_id: str, key: int, new_key: int) -> None:
        self.run(f"UPDATE {dataset_id} SET id = {new_key} WHERE id = {key}")

    def drop_column(self, dataset_id: str, column: str) -> None:
        self.run(f"ALTER TABLE {dataset_id} DROP COLUMN {column}")

    def drop(self, dataset_id: str) -> None:
        self.run(f"DROP TABLE {dataset_id}")


class TestSqliteSource(SourceSuite):
    @pytest.fixture
    def lab(self, tmp_path) -> SqliteSystem:
        return SqliteSystem(tmp_path)
