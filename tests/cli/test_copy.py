"""``nucleus copy`` against real databases."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

import duckdb
import pytest
from pyiceberg.catalog.sql import SqlCatalog

from connectors.object_parquet.config import ParquetConfig
from connectors.object_parquet.latest import latest
from connectors.object_parquet.place import ParquetPlace
from connectors.postgres.source import PostgresSource
from sandbox.webhdfs import SandboxWebHdfs
from sandbox.webhdfs.server import USER as HDFS_USER
from tests.cli.command import ended, fails, process, start, succeeds


def test_full(source, sink, numbers):
    run = succeeds("copy", source.url, numbers, sink.url)["run"]
    assert (run["rows_read"], run["rows_inserted"], run["mode"]) == (100, 100, "full")
    assert sink.rows(numbers) == source.rows(numbers)
    source.run("DELETE FROM numbers WHERE id = 1; UPDATE numbers SET word = 'new' WHERE id = 2")
    run = succeeds("copy", source.url, numbers, sink.url)["run"]
    assert (run["rows_updated"], run["rows_unchanged"], run["rows_deleted"]) == (1, 98, 1)
    assert sink.rows(numbers) == source.rows(numbers)


def test_into_a_warehouse_in_a_folder(source, numbers, tmp_path):
    """Iceberg without any server; DuckDB reads what pyiceberg says is there."""
    warehouse = tmp_path / "lake"
    command = ("copy", source.url, numbers, f"iceberg+sqlite://{warehouse}")
    assert succeeds(*command)["run"]["rows_inserted"] == 100
    source.run("DELETE FROM numbers WHERE id = 1; UPDATE numbers SET word = 'new' WHERE id = 2")
    run = succeeds(*command)["run"]
    assert (run["rows_updated"], run["rows_unchanged"], run["rows_deleted"]) == (1, 98, 1)
    with closing(SqlCatalog("nucleus", uri=f"sqlite:///{warehouse}/catalog.db")) as catalog:
        files = [task.file.file_path for task in catalog.load_table(("public", "numbers")).scan().plan_files()]
    with duckdb.connect() as connection:
        found = connection.execute("SELECT id, word FROM read_parquet(?) ORDER BY id", [files]).fetchall()
    theirs = source.run("SELECT id, word FROM numbers ORDER BY id").splitlines()
    assert [f"{number}|{word}" for number, word in found] == theirs


def test_from_an_sqlite_file(sink, tmp_path):
    file = tmp_path / "shop.db"
    with closing(sqlite3.connect(file)) as shop:
        shop.execute("CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price DECIMAL(10, 2))")
        shop.executemany("INSERT INTO goods VALUES (?, ?, ?)", [(i, f"n{i}", i / 4) for i in range(100)])
        shop.commit()
        assert succeeds("copy", f"sqlite:///{file}", "goods", sink.url)["run"]["rows_inserted"] == 100
        shop.execute("DELETE FROM goods WHERE id = 1")
        shop.execute("UPDATE goods SET name = 'new' WHERE id = 2")
        shop.commit()
        run = succeeds("copy", f"sqlite:///{file}", "goods", sink.url)["run"]
        assert (run["rows_updated"], run["rows_unchanged"], run["rows_deleted"]) == (1, 98, 1)
        theirs = [f"{i}|{name}|{price:g}" for i, name, price in shop.execute("SELECT * FROM goods ORDER BY id")]
    assert sink.run("SELECT id, name, price FROM main.goods ORDER BY id").splitlines() == theirs


def test_from_mariadb(sink, mariadb):
    url = mariadb.create_database("shop")
    with closing(mariadb.connect("shop")) as shop, shop.cursor() as cursor:
        cursor.execute("CREATE TABLE goods (id int PRIMARY KEY, name varchar(9), changed timestamp(6) DEFAULT NOW(6))")
        cursor.execute("INSERT INTO goods (id, name) SELECT seq, CONCAT('n', seq) FROM seq_1_to_100")
        done = succeeds("copy", url, "goods", sink.url, "--verify")
        assert (done["run"]["rows_inserted"], done["verify"]["equal"]) == (100, True)
        cursor.execute("DELETE FROM goods WHERE id = 1")
        cursor.execute("UPDATE goods SET name = 'new' WHERE id = 2")
        run = succeeds("copy", url, "shop.goods", sink.url)["run"]
        assert (run["rows_updated"], run["rows_unchanged"], run["rows_deleted"]) == (1, 98, 1)
        cursor.execute("SELECT CONCAT(id, '|', name) FROM goods ORDER BY id")
        assert sink.run("SELECT id, name FROM shop.goods ORDER BY id").splitlines() == [row[0] for row in cursor]
    fails("E_DATASET_NOT_IN_CATALOG", "copy", url, "bads", sink.url)
    fails("E_SOURCE_AUTH", "copy", mariadb.url("shop", password="not the secret"), "goods", sink.url)
    mariadb.drop_database("shop")


@pytest.fixture
def namenode(monkeypatch):
    """HDFS, and a user whom the environment names."""
    monkeypatch.setenv("HADOOP_USER_NAME", HDFS_USER)
    with SandboxWebHdfs() as server:
        yield server


@pytest.mark.parametrize("scheme", ["file", "s3", "webhdfs"])
def test_into_parquet_files(source, numbers, tmp_path, s3, bucket, namenode, monkeypatch, scheme):
    """A folder, a bucket whose service and keys the environment names, or HDFS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_access_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    root = {"file": f"file://{tmp_path}", "s3": f"s3://{bucket}", "webhdfs": namenode.root}[scheme] + "/lake"
    assert succeeds("copy", source.url, numbers, root)["run"]["rows_inserted"] == 100
    source.run("DELETE FROM numbers WHERE id = 1; UPDATE numbers SET word = 'new' WHERE id = 2")
    run = succeeds("copy", source.url, numbers, root)["run"]
    assert (run["rows_updated"], run["rows_unchanged"], run["rows_deleted"]) == (1, 98, 1)
    theirs = source.run("SELECT id, word FROM numbers ORDER BY id").splitlines()
    with closing(ParquetPlace(ParquetConfig(root=root)).objects) as objects:
        ours = latest(objects, "public/numbers")["id", "word"].sort("id").rows()
    assert [f"{i}|{word}" for i, word in ours] == theirs


def test_the_tables_beside_it_are_not_listed(source, sink, numbers, monkeypatch):
    """Thousands of them would cost a copy of one seconds."""

    def listed(*_):
        raise AssertionError("everything is listed")

    monkeypatch.setattr(PostgresSource, "collect_catalog", listed)
    assert succeeds("copy", source.url, numbers, sink.url)["run"]["rows_inserted"] == 100
    monkeypatch.undo()
    fails("E_DATASET_NOT_IN_CATALOG", "copy", source.url, "number", sink.url)


def test_the_doctor_says_which_driver_moves_the_rows(sink, monkeypatch, tmp_path):
    monkeypatch.delenv("NUCLEUS_POSTGRES_COPY", raising=False)
    report = succeeds("doctor", sink.url)["driver"]
    assert report["is_named"] is False
    assert report["encoder"] == "pgpq"
    assert report["library"].endswith(".so")
    assert "postgresql" in report["version"].lower()
    assert report["read"]["cpu_seconds"] > 0
    assert report["write"]["cpu_seconds"] > 0
    assert sink.run("SELECT count(*) FROM pg_class WHERE relname = 'nucleus_doctor'") == "0"

    named = tmp_path / "libadbc_driver_postgresql.so"
    named.symlink_to(report["library"])
    monkeypatch.setenv("NUCLEUS_POSTGRES_DRIVER", str(named))
    again = succeeds("doctor", sink.url)["driver"]
    assert (again["is_named"], again["library"], again["encoder"]) == (True, str(named), "driver")
    monkeypatch.setenv("NUCLEUS_POSTGRES_DRIVER", str(tmp_path / "nothing.so"))
    assert "nothing.so" in fails("E_DEPENDENCY_MISSING", "doctor", sink.url)["message"]
    monkeypatch.delenv("NUCLEUS_POSTGRES_DRIVER")
    fails("E_ENDPOINT_UNKNOWN", "doctor", f"file://{tmp_path}/lake")


def test_words_for_people(source, sink, numbers):
    done = process("copy", source.url, numbers, sink.url, "--verify")
    assert done.code == 0, done.said
    assert "rows inserted    100" in done.out
    assert "Verified: 100 rows in 1 slice(s) are equal on both sides." in done.out
    assert "1 slice(s)" in done.err
    assert urlsplit(source.url).password not in done.said


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_pipe_that_lacks_a_character_gets_another(source, sink, encoding):
    source.run("CREATE TABLE заказы (id int PRIMARY KEY); INSERT INTO заказы VALUES (1)")
    done = process("copy", source.url, "заказы", sink.url, PYTHONIOENCODING=encoding)
    assert done.code == 0, done.said
    assert "public.??????" in done.out
    assert sink.rows("заказы") == source.rows("заказы")


def test_json_is_the_only_word_on_stdout(source, sink, numbers):
    done = process("copy", source.url, numbers, sink.url, "--verify", "--json")
    assert set(done.data) == {"run", "verify"}
    assert done.data["verify"]["equal"] is True
    assert done.data["verify"]["rows_source"] == 100
    assert done.err == ""


def test_incremental_reads_only_what_changed(source, sink, numbers):
    command = ("copy", source.url, numbers, sink.url, "--incremental", "changed")
    first = succeeds(*command)["run"]
    assert (first["rows_read"], first["checkpoint_before"]) == (100, None)
    source.run("UPDATE numbers SET word = 'new', changed = clock_timestamp() WHERE id <= 3")
    second = succeeds(*command)["run"]
    assert second["rows_updated"] == 3
    assert second["rows_read"] <= 4
    assert second["checkpoint_before"] == first["checkpoint_after"]
    assert sink.rows(numbers) == source.rows(numbers)


def test_rows_that_leave_the_filter_are_gone(source, sink, numbers):
    source.run("ALTER TABLE numbers ADD COLUMN status text DEFAULT 'open', ADD COLUMN spare int")
    command = ("copy", source.url, numbers, sink.url, "--incremental", "changed", "--where", "status=open")
    succeeds(*command)
    touched = "changed = clock_timestamp()"
    source.run(f"UPDATE numbers SET status = 'closed', {touched} WHERE id <= 3")
    source.run(f"UPDATE numbers SET status = NULL, {touched} WHERE id = 4; UPDATE numbers SET {touched} WHERE id = 5")
    run = succeeds(*command)["run"]
    assert (run["rows_deleted"], run["rows_updated"]) == (4, 1)
    assert any("leave the filter are treated as gone" in note for note in run["notes"])
    assert sink.run("SELECT count(*), min(id) FROM numbers") == "96|5"
    source.run(f"UPDATE numbers SET status = 'open', {touched} WHERE id = 1")
    source.run(f"UPDATE numbers SET status = 'closed', {touched} WHERE id = 6")
    run = succeeds(*command, "--on-gone", "ignore")["run"]
    assert (run["rows_deleted"], run["rows_inserted"]) == (0, 1)
    assert any("stay in the sink as they were" in note for note in run["notes"])
    run = succeeds(*command, "--verify")["run"]
    assert run["rows_deleted"] == 1
    run = succeeds(*command[:-1], "status=closed", "--max-delete-fraction", "1")["run"]
    assert sink.run("SELECT string_agg(id::text, ',' ORDER BY id) FROM numbers") == "2,3,6"


def test_a_key_that_is_one_inside_the_filter_only(source, sink):
    source.run(
        "CREATE TABLE prices (item text, region text, n int NOT NULL);"
        "INSERT INTO prices VALUES ('a', 'eu', 1), ('a', 'us', 2), ('b', 'eu', 3)"
    )
    command = ("copy", source.url, "prices", sink.url, "--incremental", "n", "--key", "item", "--where", "region=eu")
    succeeds(*command)
    source.run("UPDATE prices SET n = 9 WHERE region = 'us'; UPDATE prices SET region = 'us', n = 10 WHERE item = 'b'")
    assert succeeds(*command)["run"]["rows_deleted"] == 1
    assert sink.rows("prices") == ["(a,eu,1)"]


def test_another_filter_or_shape_starts_from_the_beginning(source, sink, numbers):
    command = ("copy", source.url, numbers, sink.url, "--incremental", "changed")
    succeeds(*command, "--where", "id<=50")
    assert succeeds(*command)["run"]["rows_inserted"] == 50
    source.run("ALTER TABLE numbers ADD COLUMN more int DEFAULT 7")
    assert succeeds(*command)["run"]["rows_updated"] == 100
    assert sink.rows(numbers) == source.rows(numbers)


def test_incremental_into_a_target_that_was_emptied(source, sink, numbers):
    command = ("copy", source.url, numbers, sink.url, "--incremental", "changed")
    succeeds(*command)
    sink.run("DROP TABLE numbers")
    succeeds(*command)
    assert sink.rows(numbers) == source.rows(numbers)


def test_each_target_has_a_checkpoint_of_its_own(source, sink, numbers):
    succeeds("copy", source.url, numbers, sink.url, "--incremental", "changed")
    succeeds("copy", source.url, numbers, sink.url, "other", "--incremental", "changed")
    assert sink.rows("other") == sink.rows(numbers) == source.rows(numbers)


def test_the_target_table(source, sink, numbers):
    succeeds("copy", source.url, "public.numbers", sink.url, '"Far Away"."the.table"')
    assert sink.rows('"Far Away"."the.table"') == source.rows(numbers)


@pytest.mark.parametrize(
    ("written", "schema", "name"),
    [
        ("Mixed Case", "public", "Mixed Case"),
        ('"with.dot"', "public", "with.dot"),
        ('"say ""hi"""', "public", 'say "hi"'),
        ("Some Schema.select", "Some Schema", "select"),
        ('"*.?[x]"."tëst-表"', "*.?[x]", "tëst-表"),
        ("o'brien", "public", "o'brien"),
    ],
)
def test_odd_names(source, sink, written, schema, name):
    table = ".".join('"' + part.replace('"', '""') + '"' for part in (schema, name))
    source.run(
        f'CREATE SCHEMA IF NOT EXISTS "{schema}";'
        f'CREATE TABLE {table} ("Key ""1""" int PRIMARY KEY, "sel ect" text);'
        f"INSERT INTO {table} VALUES (1, 'a'), (2, NULL)"
    )
    succeeds("copy", source.url, written, sink.url, "--key", 'Key "1"', "--verify")
    assert sink.rows(table) == source.rows(table) != []


def test_where(source, sink, numbers):
    run = succeeds(
        "copy", source.url, numbers, sink.url, "--where", "id >= 90", "--where", "word not in word 95,word 96"
    )
    assert run["run"]["rows_inserted"] == 9
    assert sink.run("SELECT min(id), count(*) FROM numbers") == "90|9"


def test_where_is_never_query_text(source, sink, numbers):
    succeeds("copy", source.url, numbers, sink.url, "--where", "word='; DROP TABLE numbers; --'")
    assert source.run("SELECT count(*) FROM numbers") == "100"
    assert sink.run("SELECT count(*) FROM numbers") == "0"


def test_what_happens_to_gone_rows(source, sink, numbers):
    succeeds("copy", source.url, numbers, sink.url)
    source.run("DELETE FROM numbers WHERE id > 90")
    assert succeeds("copy", source.url, numbers, sink.url, "--on-gone", "ignore")["run"]["rows_deleted"] == 0
    assert sink.run("SELECT count(*) FROM numbers") == "100"
    assert succeeds("copy", source.url, numbers, sink.url, "--on-gone", "tombstone")["run"]["rows_tombstoned"] == 10
    assert sink.run("SELECT count(*) FROM numbers WHERE _nucleus_deleted_at IS NULL") == "90"


def test_a_password_from_the_environment_or_a_pgpass_file(source, sink, numbers, tmp_path):
    parts = urlsplit(source.url)
    bare = [each.url.replace(f":{urlsplit(each.url).password}@", "@") for each in (source, sink)]
    succeeds("copy", bare[0], numbers, bare[1], PGPASSWORD=unquote(parts.password))
    pgpass = tmp_path / "pgpass"
    pgpass.write_text(f"{parts.hostname}:{parts.port}:*:{parts.username}:{unquote(parts.password)}\n")
    pgpass.chmod(0o600)
    run = succeeds("copy", bare[0], numbers, bare[1], PGPASSFILE=str(pgpass))["run"]
    assert run["rows_unchanged"] == 100
    run = succeeds("copy", source.url, numbers, sink.url)["run"]
    assert run["epoch"] == 3, "the identity of a place does not depend on the password"


def test_staging_is_removed(source, sink, numbers, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    succeeds("copy", source.url, numbers, sink.url)
    assert list(tmp_path.iterdir()) == []
    area = tmp_path / "area"
    area.mkdir()
    succeeds("copy", source.url, numbers, sink.url, "--staging", area.as_uri())
    assert [path for path in area.rglob("*") if path.is_file()] == []


def test_verify_finds_a_difference(source, sink, numbers):
    command = ("copy", source.url, numbers, sink.url, "--incremental", "changed")
    succeeds(*command)
    sink.run("UPDATE numbers SET word = 'x' WHERE id = 5; DELETE FROM numbers WHERE id = 6")
    error = fails("E_VERIFY_MISMATCH", *command, "--verify")
    (different,) = error["facts"]["slices"]
    assert (different["source"]["rows"], different["sink"]["rows"]) == (100, 99)
    assert different["slice_key"] in error["message"]
    succeeds("copy", source.url, numbers, sink.url, "--verify")


def test_it_is_light_and_quick(source, sink, numbers):
    succeeds("copy", source.url, numbers, sink.url)  # compiled
    began = time.monotonic()
    done = ended(start("copy", source.url, numbers, sink.url, PYTHONPROFILEIMPORTTIME="1"))
    assert time.monotonic() - began < 6, "3 s is the aim on a quiet machine"
    assert done.code == 0
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.err.splitlines()}
    assert loaded & {"prefect", "prefect_aws", "boto3", "httpx", "fastapi"} == set()


def test_the_password_is_not_in_the_process_list(source, sink, numbers):
    source.run("CREATE VIEW slow AS SELECT pg_sleep(3)::text AS x, 1 AS id")
    running = start("copy", source.url, "slow", sink.url)
    password = urlsplit(source.url).password.encode()
    deadline, shown = time.monotonic() + 20, b""
    while b"slow" not in shown and time.monotonic() < deadline:
        time.sleep(0.05)
        shown = Path(f"/proc/{running.pid}/cmdline").read_bytes()
    while password in shown and time.monotonic() < deadline:
        time.sleep(0.05)
        shown = Path(f"/proc/{running.pid}/cmdline").read_bytes()
    assert running.poll() is None, "it must be seen while it runs"
    assert b"slow" in shown
    assert password not in shown
    assert ended(running).code == 0
