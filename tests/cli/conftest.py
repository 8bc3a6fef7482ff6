"""Two databases with names to run SQL in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

from tests.cli.command import end_started

if TYPE_CHECKING:
    from sandbox.postgres import SandboxPostgres


@pytest.fixture(autouse=True)
def _no_command_outlives_its_test():
    yield
    end_started()


@dataclass(frozen=True)
class SandboxDatabase:
    """A database of the sandbox."""

    server: SandboxPostgres
    url: str

    @property
    def name(self) -> str:
        return unquote(urlsplit(self.url).path[1:])

    def run(self, sql: str) -> str:
        """The answer as psql prints it, unaligned."""
        return self.server.psql(sql, self.name)

    def rows(self, table: str) -> list[str]:
        """Every row as text, sorted."""
        return sorted(self.run(f"SELECT t::text FROM {table} t").splitlines())


@pytest.fixture
def databases(postgres, two_databases):
    source, sink = two_databases
    return SandboxDatabase(postgres, source), SandboxDatabase(postgres, sink)


@pytest.fixture
def source(databases):
    return databases[0]


@pytest.fixture
def sink(databases):
    return databases[1]


@pytest.fixture
def numbers(source):
    """A table with a hundred rows, a key and a column that grows with changes."""
    source.run(
        "CREATE TABLE numbers (id int PRIMARY KEY, word text,"
        " changed timestamptz NOT NULL DEFAULT clock_timestamp());"
        # Every row a moment of its own: an incremental run reads all rows of the last moment again.
        "INSERT INTO numbers SELECT i, 'word ' || i, now() - (100 - i) * interval '1 ms' FROM generate_series(1, 100) i"
    )
    return "numbers"
