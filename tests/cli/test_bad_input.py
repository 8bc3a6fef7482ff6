"""What bad input gets from the command line: a typed error, exit code 3, what to do next, no secret; or exit code 2."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest

from sandbox.processes import free_port
from tests.cli.command import ended, fails, nucleus, process, start, succeeds


def other(url, **parts):
    """The URL with user, password, port or database replaced."""
    split = urlsplit(url)
    user, password = parts.get("user", split.username), parts.get("password", split.password)
    where = f"{user}:{quote(password, safe='')}@127.0.0.1:{parts.get('port', split.port)}"
    return f"postgresql://{where}/{parts.get('database', split.path[1:])}"


def test_wrong_password(source, sink, numbers):
    wrong = "not-the-password"
    fails("E_SOURCE_AUTH", "copy", other(source.url, password=wrong), numbers, sink.url)
    fails("E_SINK_AUTH", "copy", source.url, numbers, other(sink.url, password=wrong))


def test_unreachable(source, sink, numbers):
    fails("E_SOURCE_UNREACHABLE", "copy", other(source.url, port=free_port()), numbers, sink.url)
    fails("E_SINK_UNREACHABLE", "copy", source.url, numbers, other(sink.url, port=free_port()))


def test_an_error_of_a_process(source, sink, numbers):
    done = process("copy", source.url, "nothing", sink.url)
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("E_DATASET_NOT_IN_CATALOG: There is no table public.nothing at the source")
    assert done.err.splitlines()[1].startswith("  Next: There are: numbers")


def test_missing_database(source, sink, numbers):
    error = fails("E_SOURCE_AUTH", "copy", other(source.url, database="nowhere"), numbers, sink.url)
    assert "nowhere" in error["message"]


def test_missing_table(source, sink, numbers):
    error = fails("E_DATASET_NOT_IN_CATALOG", "copy", source.url, "Numbers", sink.url)
    assert "'numbers'" in error["hint"]
    assert sink.run("SELECT to_regclass('numbers')") == ""


def test_incremental_by_what_cannot_order_changes(source, sink, numbers):
    fails("E_CURSOR_UNSUPPORTED", "copy", source.url, numbers, sink.url, "--incremental", "word")
    fails("E_CURSOR_UNSUPPORTED", "copy", source.url, numbers, sink.url, "--incremental", "nothing")
    source.run("CREATE TABLE keyless (n int)")
    fails("E_MODE_UNSUPPORTED", "copy", source.url, "keyless", sink.url, "--incremental", "n")


def test_a_key_that_is_none(source, sink):
    """A key somebody names is proven: else the sink keeps one row of each value, and says nothing."""
    source.run(
        "CREATE TABLE sales (region text, v int NOT NULL);"
        "INSERT INTO sales VALUES ('eu', 1), ('eu', 2), ('us', 3);"
        "CREATE VIEW seen AS SELECT * FROM sales"
    )
    for dataset in ("sales", "seen"):
        for how in ((), ("--incremental", "v")):
            error = fails("E_KEY_NOT_UNIQUE", "copy", source.url, dataset, sink.url, "--key", "region", *how)
            assert error["facts"]["value"] == {"region": "eu"}
            assert error["facts"]["rows"] == 2
    assert sink.run("SELECT to_regclass('sales')") == "", "nothing was written"
    succeeds("copy", source.url, "sales", sink.url, "--key", "region", "--where", "v>1")
    source.run("UPDATE sales SET region = NULL WHERE v = 3")
    error = fails("E_KEY_NOT_UNIQUE", "copy", source.url, "sales", sink.url, "--key", "region", "--where", "v>1")
    assert error["facts"]["value"] == {"region": None}


def test_a_key_that_was_dropped_or_that_only_part_of_is_bound(source, sink):
    source.run(
        "CREATE TABLE t (a int PRIMARY KEY, b int, c int NOT NULL); INSERT INTO t VALUES (1, 1, 1), (2, NULL, 2)"
    )
    assert succeeds("copy", source.url, "t", sink.url, "--key", "a", "--key", "c")["run"]["rows_inserted"] == 2
    error = fails("E_KEY_NOT_UNIQUE", "copy", source.url, "t", sink.url, "u", "--key", "a", "--key", "b")
    assert error["facts"]["value"] == {"a": "2", "b": None}


@pytest.mark.parametrize(("late", "state"), [("('x' || g)::int", "22P02"), ("1 / (g - g)", "22012")])
def test_a_statement_that_fails_half_way(source, sink, late, state):
    """A stream's error keeps its SQLSTATE: a value that will never do is not read again and again."""
    source.run(
        f"CREATE VIEW late AS SELECT g AS id, CASE WHEN g = 90000 THEN {late} ELSE g END AS v"
        " FROM generate_series(1, 100000) g"
    )
    error = fails("E_SOURCE_VALUE", "copy", source.url, "late", sink.url)
    assert error["facts"]["sqlstate"] == state
    assert error["retryable"] is False


def test_a_filter_that_does_not_fit(source, sink, numbers):
    fails("E_FILTER_NOT_SUPPORTED", "copy", source.url, numbers, sink.url, "--where", "nothing=1")
    assert nucleus("copy", source.url, numbers, sink.url, "--where", "id=many").code == 3


def test_an_incompatible_change_of_type(source, sink, numbers):
    succeeds("copy", source.url, numbers, sink.url)
    source.run("ALTER TABLE numbers ALTER word TYPE int USING 7")
    error = fails("E_SINK_SCHEMA_CONFLICT", "copy", source.url, numbers, sink.url)
    assert "word" in error["message"]
    assert sink.run("SELECT DISTINCT left(word, 4) FROM numbers") == "word", "nothing was written"
    sink.run("DROP TABLE numbers")
    succeeds("copy", source.url, numbers, sink.url)


def test_a_sink_without_privileges(postgres, source, sink, numbers):
    postgres.psql("DROP ROLE IF EXISTS weak; CREATE ROLE weak LOGIN PASSWORD 'weak-password'")
    weak = other(sink.url, user="weak", password="weak-password")
    fails("E_SINK_PRIVILEGE", "copy", source.url, numbers, weak)
    error = fails(
        "E_DATASET_NOT_IN_CATALOG", "copy", other(source.url, user="weak", password="weak-password"), numbers, sink.url
    )
    assert "may not be read" in error["message"]


def test_more_would_go_than_allowed(source, sink, numbers):
    command = ("copy", source.url, numbers, sink.url)
    succeeds(*command)
    source.run("DELETE FROM numbers WHERE id > 20")
    fails("E_DELETE_GUARD", *command)
    assert sink.run("SELECT count(*) FROM numbers") == "100"
    allowed = (*command, "--max-delete-fraction", "1")
    assert succeeds(*allowed, "--fresh")["run"]["rows_deleted"] == 80


def test_doing_what_the_delete_guard_says_helps(source, sink, numbers):
    command = ("copy", source.url, numbers, sink.url)
    succeeds(*command)
    source.run("DELETE FROM numbers WHERE id > 20")
    fails("E_DELETE_GUARD", *command)
    assert succeeds(*command, "--max-delete-fraction", "1")["run"]["rows_deleted"] == 80


def test_more_than_a_table_can_hold(source, sink):
    others = ", ".join(f"other{n} bool" for n in range(1_595))
    sink.run(f"CREATE TABLE narrow (id int PRIMARY KEY, {others})")
    source.run(f"CREATE TABLE narrow (id int PRIMARY KEY, {', '.join(f'c{n} int' for n in range(9))})")
    error = fails("E_SINK_SCHEMA_CONFLICT", "copy", source.url, "narrow", sink.url)
    assert not error["retryable"]
    assert "1600 columns" in error["message"]
    source.run(f"CREATE VIEW long AS SELECT {', '.join(f'{n}::bigint AS c{n}' for n in range(1_500))}")
    error = fails("E_SINK_VALUE", "copy", source.url, "long", sink.url)
    assert not error["retryable"]
    assert "row is too big" in error["message"]


def test_a_second_run_while_one_runs(source, sink):
    source.run("CREATE VIEW slow AS SELECT pg_sleep(6)::text AS x, 1 AS id")
    command = ("copy", source.url, "slow", sink.url)
    first = start(*command)
    while source.run("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "0":
        assert first.poll() is None
    done = nucleus(*command, "--json")
    assert (done.code, done.data["error"]["code"]) == (3, "E_RUN_IN_PROGRESS")
    assert done.data["error"]["retryable"]
    assert ended(first).code == 0


def test_staging_that_cannot_be_used(source, sink, numbers, tmp_path):
    command = ("copy", source.url, numbers, sink.url, "--staging")
    fails("E_STAGING_REFUSED", *command, (tmp_path / "missing").as_uri())
    fails("E_CONFIG_INVALID", *command, "ftp://somewhere")
    fails("E_CONFIG_INVALID", *command, "s3://key:hidden-secret@bucket")
    fails("E_STAGE_TOO_LARGE", *command, "memory:?limit_bytes=10")
    succeeds(*command, "memory:")


def test_a_missing_bucket(source, sink, numbers, s3):
    where = f"s3://nowhere?endpoint_url={quote(s3.endpoint_url, safe='')}"
    keys = {"AWS_ACCESS_KEY_ID": s3.access_key_id, "AWS_SECRET_ACCESS_KEY": s3.secret_access_key}
    for as_json in ((), ("--json",)):
        done = nucleus("copy", source.url, numbers, sink.url, "--staging", where, *as_json, **keys)
        assert done.code == 3
        assert "E_STAGING_REFUSED" in done.said
        assert s3.secret_access_key not in done.said


@pytest.mark.slow(30)
def test_a_full_disk(source, sink):
    source.run(
        "CREATE TABLE big (id int PRIMARY KEY, filler text);"
        "INSERT INTO big SELECT i, string_agg(md5((i * j)::text), '') FROM generate_series(1, 8000) i,"
        " generate_series(1, 20) j GROUP BY i"
    )
    # Python would not notice that it keeps half of what it compiled, and every later process would fail at that.
    limited = ("bash", "-c", 'ulimit -f 1000; PYTHONDONTWRITEBYTECODE=1 exec "$@"', "limited")
    source.run("CREATE TABLE also (LIKE big INCLUDING ALL); INSERT INTO also TABLE big")
    # At once: each tries again for ten seconds.
    for_people = start("copy", source.url, "big", sink.url, under=limited)
    for_programs = start("copy", source.url, "also", sink.url, "--json", under=limited)
    for done in (ended(for_people), ended(for_programs)):
        assert done.code == 3, done.said
        assert "E_STAGING_UNAVAILABLE" in done.said
        assert "Traceback" not in done.said
    assert sink.run("SELECT count(*) FROM big") == "0", "nothing half-written"
    assert succeeds("copy", source.url, "big", sink.url)["run"]["rows_inserted"] == 8_000


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("oracle://me:hidden-secret@there/db", "E_ENDPOINT_UNKNOWN"),
        ("postgresql://me:hidden-#secret@there/db", "E_CONFIG_INVALID"),
        ("postgresql://me:hidden-secret@there/db?colour=blue", "E_CONFIG_INVALID"),
        ("postgresql://me:hidden-secret@there:port/db", "E_CONFIG_INVALID"),
        ("just-a-name", "E_CONFIG_INVALID"),
    ],
)
def test_urls_that_cannot_be_used(url, code):
    for arguments in ((url, "t", "postgresql://x/y"), ("postgresql://x/y", "t", url)):
        done = nucleus("copy", *arguments, "--json")
        assert (done.code, done.data["error"]["code"]) == (3, code), done.said
        assert "secret" not in done.said


@pytest.mark.parametrize(
    "arguments",
    [
        ("--slice-size", "many"),
        ("--slice-size", "1KiB"),
        ("--parallel", "0"),
        ("--max-delete-fraction", "2"),
        ("--on-gone", "explode"),
        ("--where", "=5"),
        ("--where", "n ~ 5"),
        ("--nothing",),
        ("one-too-many", "two-too-many"),
    ],
)
def test_wrong_usage(arguments):
    urls = ("postgresql://me:hidden-secret@x/y", "t", "postgresql://me:hidden-secret@x/z")
    done = nucleus("copy", *urls, *arguments)
    assert (done.code, done.out) == (2, ""), done.said
    assert "hidden-secret" not in done.said
    assert "Traceback" not in done.said
    done = nucleus("copy", *urls, *arguments, "--json")
    assert (done.code, done.data["error"]["code"], done.err) == (2, "E_USAGE", "")


def test_a_table_that_is_no_name(source, sink):
    assert nucleus("copy", source.url, 'a."b', sink.url).code == 2
    assert nucleus("copy", source.url, "a.b.c", sink.url).code == 2


def test_a_fault_of_our_own_is_readable(monkeypatch):
    def explode(**_):
        raise RuntimeError("postgresql://me:hidden-secret@x/y went wrong")

    monkeypatch.setattr("connectors.registry.EndpointRegistry", explode)
    done = nucleus("template", "list")
    assert done.code == 1
    assert done.err.startswith("E_FAULT: RuntimeError: ")
    assert "hidden-secret" not in done.said


def test_a_home_that_cannot_be_used(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    done = process("up", "--json", HOME=str(file), NUCLEUS_HOME="")
    assert done.code == 3, done.said
    assert done.data["error"]["code"] == "E_CONFIG_INVALID"
    assert str(file) in done.data["error"]["message"]
    assert "Set NUCLEUS_HOME to a folder" in done.said
