"""Tables of a SQLite file in PostgreSQL: every type, odd names, keys, late changes; equal by content."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from connectors.sqlite.config import SqliteConfig
from connectors.sqlite.source import SqliteSource
from contracts.errors import CursorUnsupportedError, SourceValueError
from contracts.unit import Predicate
from flows.stages.plan import make_plan
from flows.stages.verify import verify
from tests.connectors.ingestion import Ingestion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.postgres


class FileIngestion(Ingestion):
    """Runs of one file's tables."""

    def __init__(self, path: Path, sink_url: str) -> None:
        self.path = path
        source = SqliteSource(SqliteConfig(path=path))
        super().__init__(source, PostgresSink(PostgresConfig(url=sink_url)), sink_url, endpoint_id="f", sink_id="w")
        self.run("PRAGMA journal_mode = wal")

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def equal(self, name: str, **how) -> bool:
        """Whether both sides hash alike, slice by slice."""
        return not verify(self.source, self.sink, make_plan(self.source, self.request(name, **how), None)).different


@pytest.fixture(scope="module")
def sink_url(postgres) -> Iterator[str]:
    yield postgres.create_database("from_sqlite")
    postgres.drop_database("from_sqlite")


@pytest.fixture
def moving(tmp_path, sink_url) -> Iterator[FileIngestion]:
    with FileIngestion(tmp_path / "a file.db", sink_url) as made:
        with made.sink_reader.session() as session:
            session.execute("DROP SCHEMA IF EXISTS main CASCADE")
            session.execute("DROP SCHEMA IF EXISTS nucleus CASCADE")
        yield made


TYPES = {
    "integer": ["1", "-9223372036854775808", "9223372036854775807"],
    "boolean": ["0", "1", "1"],
    "text": ["''", "'naïve 漢字 🧊'", "'a\"b\\c, (d)'"],
    "varchar(3)": ["'longer than three'", "' '", "char(10)"],
    "blob": ["x''", "x'00ff'", "x'27'"],
    "real": ["-0.0", "1e300", "0.1"],
    "double precision": ["1e15", "1e-5", "123456789012345.6"],
    "numeric": ["12.340", "1e20", "-7"],
    "decimal(10,2)": ["0.1", "'12345678901234567890.12'", "3"],
    "date": ["'2024-02-29'", "'0001-01-01'", "'9999-12-31'"],
    "datetime": ["'2024-02-29 12:00:00'", "'2024-02-29T12:00:00.5'", "'2024-01-01 00:00'"],
    "": ["1", "1.5", "'x'"],
}


def test_every_type_is_equal_by_content(moving):
    columns = ", ".join(f"`c {index}` {declared}" for index, declared in enumerate(TYPES))
    moving.run(f'CREATE TABLE `odd "name"` (id integer PRIMARY KEY, {columns})')
    for row in range(3):
        values = ", ".join(each[row] for each in TYPES.values())
        moving.run(f'INSERT INTO `odd "name"` VALUES ({row}, {values})')
    moving.run(f'INSERT INTO `odd "name"` VALUES (9, {", ".join(["NULL"] * len(TYPES))})')
    assert moving.execute(moving.request('odd "name"')).rows_inserted == 4
    assert moving.equal('odd "name"')
    with moving.sink_reader.session() as session:
        session.execute('UPDATE main."odd ""name""" SET "c 0" = 2 WHERE id = 0')
    assert not moving.equal('odd "name"')


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("integer", "'x'"),
        ("integer", "1.5"),
        ("boolean", "2"),
        ("text", "x'00'"),
        ("blob", "'x'"),
        ("real", "'x'"),
        ("numeric", "'x'"),
        ("date", "2460000"),
        ("date", "'2024-02-30'"),
        ("datetime", "'2024-02-29 12:00:00Z'"),
        ("", "x'00'"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_an_error(moving, declared, value):
    moving.run(f"CREATE TABLE t (id integer PRIMARY KEY, v {declared})", f"INSERT INTO t VALUES (1, {value})")
    with pytest.raises(SourceValueError, match="'v'"):
        moving.execute(moving.request("t"))


def test_text_and_composite_keys_are_split_and_compared(moving):
    moving.run(
        "CREATE TABLE t (a text COLLATE NOCASE, b text NOT NULL, pad text, PRIMARY KEY (a, b)) WITHOUT ROWID",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
        "INSERT INTO t SELECT char(65 + i % 50) || i / 9, i, hex(zeroblob(300)) FROM n",
    )
    request = moving.request("t", target_slice_bytes=64 * 1024)
    assert moving.execute(request).rows_inserted == 900
    assert len(make_plan(moving.source, request, None).slices) > 3
    assert moving.equal("t", target_slice_bytes=64 * 1024)
    moving.run("DELETE FROM t WHERE b < '2'")
    summary = moving.execute(moving.request("t", target_slice_bytes=64 * 1024))
    assert summary.rows_deleted > 100
    assert moving.equal("t", target_slice_bytes=64 * 1024)


def test_what_changed_is_read_and_nulls_always(moving):
    moving.run(
        "CREATE TABLE t (id integer PRIMARY KEY, at datetime)",
        "INSERT INTO t VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-02 00:00:00'), (3, NULL)",
    )
    how = {"mode": "incremental", "cursor_columns": ("at",)}
    moving.execute(moving.request("t", **how))
    moving.run("INSERT INTO t VALUES (4, '2024-01-03 00:00:00'), (5, NULL)")
    assert moving.execute(moving.request("t", **how)).rows_inserted == 2
    assert moving.equal("t")
    moving.run("INSERT INTO t VALUES (6, '2024-01-03T00:00:00')")
    with pytest.raises(CursorUnsupportedError, match="forms"):
        moving.execute(moving.request("t", **how))


def test_a_row_dated_ahead_does_not_hide_those_that_come_after_it(moving):
    moving.run(
        "CREATE TABLE t (id integer PRIMARY KEY, at datetime)",
        "INSERT INTO t VALUES (1, '2024-01-01 00:00:00'), (2, '9999-12-31 00:00:00')",
    )
    how = {"mode": "incremental", "cursor_columns": ("at",)}
    first = moving.execute(moving.request("t", **how))
    assert "1 row(s) of main.t are dated after the clock" in first.notes[0]
    assert first.checkpoint_after["settled"] == "2024-01-01 00:00:00"
    moving.run("INSERT INTO t VALUES (3, '2024-01-02 00:00:00')")
    assert moving.execute(moving.request("t", **how)).rows_inserted == 1
    assert moving.equal("t")
    saved = {**first.checkpoint_after, "settled": "9999-12-31 00:00:00"}
    moving.checkpoints["main.t"] = saved
    moving.run("INSERT INTO t VALUES (4, '2024-01-03 00:00:00')")
    assert moving.execute(moving.request("t", **how)).rows_inserted == 1


def test_rows_of_an_open_transaction_are_read_by_a_later_run(moving):
    moving.run("CREATE TABLE t (id integer PRIMARY KEY, n integer)", "INSERT INTO t VALUES (1, 10)")
    how = {"mode": "incremental", "cursor_columns": ("n",)}
    moving.source._config = moving.source._config.model_copy(update={"lock_timeout_s": 0.0})
    with closing(sqlite3.connect(moving.path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("INSERT INTO t VALUES (2, 5)")
        first = moving.execute(moving.request("t", **how))
        assert any("transaction" in note for note in first.notes)
        writer.execute("COMMIT")
    moving.execute(moving.request("t", **how))
    assert moving.equal("t")


def test_a_primary_key_that_may_be_null_is_none(moving):
    moving.run("CREATE TABLE t (k text PRIMARY KEY)", "CREATE TABLE u (k text PRIMARY KEY NOT NULL)")
    assert moving.unit("t").primary_key == ()
    assert moving.unit("u").primary_key == ("k",)


def test_a_filter_reads_dates_and_numbers(moving):
    moving.run(
        "CREATE TABLE t (id integer PRIMARY KEY, d date, v numeric)",
        "INSERT INTO t VALUES (1, '2024-01-01', 1.5), (2, '2024-06-01', 2.5)",
    )
    unit = moving.unit("t")
    both = [Predicate(column="d", op="ge", value="2024-03-01"), Predicate(column="v", op="gt", value=2)]
    assert moving.source.preview(unit, 9, both)["id"].to_list() == [2]
