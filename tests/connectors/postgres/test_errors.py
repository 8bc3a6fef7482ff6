"""What goes wrong has a name, says what to do, and never says a password."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from adbc_driver_postgresql import dbapi

from connectors.load_config import load_config
from connectors.postgres.config import PostgresConfig
from connectors.postgres.errors import translate
from connectors.postgres.sink import PostgresSink
from connectors.postgres.source import PostgresSource
from contracts import errors
from sandbox.faults import CuttableTcp
from sandbox.postgres import SandboxPostgres
from tests.connectors.postgres.moving import Database, changed, mover, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CONNECTIONS = 8
SECRET = "s3cr3t-pässword'\\ \"x"


@pytest.fixture(scope="module")
def small() -> Iterator[SandboxPostgres]:
    """A server with few connections, whose superuser's password is hard to quote."""
    settings = {"superuser_reserved_connections": "0", "max_wal_senders": "0"}
    with SandboxPostgres(password=SECRET, max_connections=MAX_CONNECTIONS, settings=settings) as server:
        yield server


def config(server: SandboxPostgres, **fields: Any) -> PostgresConfig:
    return PostgresConfig.model_validate({"url": server.url(), **fields})


def refused(call: Any, kind: type[errors.IngestionError]) -> errors.IngestionError:
    with pytest.raises(errors.IngestionError) as caught:
        call()
    assert type(caught.value) is kind, str(caught.value)
    assert caught.value.next_step
    one: BaseException | None = caught.value
    while one is not None:
        assert SECRET not in f"{one} {one!r} {one.__dict__}"
        one = one.__cause__ or one.__context__
    return caught.value


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "wrong password": ({"password": SECRET + "?"}, "Auth"),
    "no such role": ({"user": "nobody here"}, "Auth"),
    "no such database": ({"database": "no such"}, "Auth"),
    "nobody listens": ({"port": 1}, "Unreachable"),
    "no such host": ({"host": "ssl.certificate.invalid"}, "Unreachable"),
    "tls wanted": ({"ssl_mode": "require"}, "Tls"),
    "certificate missing": ({"ssl_mode": "verify-full", "ssl_root_cert": "/no/such.pem"}, "Tls"),
    "role to switch to": ({"role": "no such"}, "Auth"),
}


@pytest.mark.parametrize("side", ["Source", "Sink"])
@pytest.mark.parametrize("what", BROKEN)
def test_connections_that_cannot_be(small, side, what):
    fields, kind = BROKEN[what]
    endpoint = (PostgresSource if side == "Source" else PostgresSink)(
        PostgresConfig.model_validate(
            {"host": "127.0.0.1", "port": small.port, "user": "postgres", "password": SECRET, **fields}
        )
    )
    refused(endpoint.test_connection, getattr(errors, f"{side}{kind}Error"))


def test_a_good_one_says_what_it_may(small):
    source, sink = PostgresSource(config(small)), PostgresSink(config(small))
    report = source.test_connection()
    assert report.server_version.startswith("18")
    assert report.account == "postgres"
    assert report.warnings, "there is no table to read"
    assert sink.test_connection().warnings == ()
    source.close()
    sink.close()


def test_too_many_connections(small):
    source = PostgresSource(config(small))
    with ExitStack() as stack:
        connected, deadline = 0, time.monotonic() + 10
        while connected < MAX_CONNECTIONS and time.monotonic() < deadline:
            try:
                stack.callback(Database(small.url()).close)
                connected += 1
            except dbapi.Error as error:  # sessions of the test before may still be leaving
                assert "too many clients" in str(error)
                time.sleep(0.05)
        assert connected == MAX_CONNECTIONS
        assert refused(source.test_connection, errors.SourceUnreachableError).retryable
    source.close()


CONFIGS: dict[str, dict[str, Any]] = {
    "unknown field": {"hots": "x", "password": SECRET},
    "port out of range": {"port": 99999, "password": SECRET},
    "certificate without key": {"ssl_cert": "/c.pem", "password": SECRET},
    "unknown ssl mode": {"ssl_mode": SECRET, "password": SECRET},
    "another scheme": {"url": f"mysql://u:{SECRET}@h/d"},
    "port is no number": {"url": f"postgresql://u:{SECRET}@h:port/d"},
    "unknown option": {"url": f"postgresql://u:{SECRET}@h/d?ssl=on"},
    "broken brackets": {"url": f"postgresql://u:{SECRET}@[::1/d"},
    "not a url": {"url": SECRET},
    "password is a list": {"password": [SECRET]},
}


@pytest.mark.parametrize("what", CONFIGS)
def test_configs_that_cannot_be(what):
    refused(lambda: load_config(PostgresConfig, CONFIGS[what], "jdbc.postgres"), errors.ConfigInvalidError)


def test_configs_do_not_show_their_password():
    for made in (
        PostgresConfig(password=SECRET),
        PostgresConfig(url=f"postgresql://u:{SECRET.replace(' ', '%20')}@h/d"),
    ):
        assert "s3cr3t" not in f"{made} {made!r} {made.model_dump()} {made.model_dump_json()}"


@pytest.mark.parametrize(
    ("url", "fields"),
    [
        ("postgresql://u%40x:p%2F%3A@h:7/d%20b", {"user": "u@x", "host": "h", "port": 7, "database": "d b"}),
        ("postgres://[::1]/d", {"host": "::1", "database": "d"}),
        ("postgresql:///d?host=/Tmp/x&port=9&user=me", {"host": "/Tmp/x", "port": 9, "user": "me"}),
        ("postgresql://%2FTmp%2FX/d", {"host": "/Tmp/X"}),
        ("postgresql://h/d?sslmode=require&connect_timeout=3", {"ssl_mode": "require", "connect_timeout_s": 3}),
        ("postgresql://h", {"host": "h", "port": 5432, "database": "postgres", "user": None}),
    ],
)
def test_urls(url, fields):
    made = PostgresConfig(url=url)
    assert {name: getattr(made, name) for name in fields} == fields


def test_tables_that_cannot_be_read(small):
    small.psql(
        "CREATE ROLE guest LOGIN PASSWORD 'guest'; CREATE ROLE robot; GRANT robot TO guest WITH INHERIT FALSE; CREATE TABLE seen (id int);"
        "CREATE TABLE hidden (id int PRIMARY KEY); CREATE TABLE secured (id int PRIMARY KEY);"
        "ALTER TABLE secured ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON secured USING (id > 5);"
        "INSERT INTO secured SELECT generate_series(1, 9); GRANT SELECT ON seen, secured TO guest;"
        "GRANT SELECT ON hidden TO robot"
    )
    guest = {"url": small.url(user="guest", password="guest")}
    with mover(small.url(), small.url(), target_schema="copy") as moving:
        hidden, secured = moving.request("public.hidden"), moving.request("public.secured")
        moving.source.close()
        moving.source = PostgresSource(PostgresConfig(**guest))
        names = [dataset.dataset_id for dataset in moving.source.collect_catalog("shop").datasets]
        assert names == ["public.secured", "public.seen"]
        assert "gone or may not be read" in str(
            refused(lambda: moving.execute(hidden), errors.SourceSchemaChangedError)
        )
        refused(lambda: moving.execute(secured), errors.SourcePrivilegeError)
        refused(lambda: moving.source.preview(secured.unit, 1), errors.SourcePrivilegeError)
        refused(lambda: moving.source.preview(hidden.unit, 1), errors.SourcePrivilegeError)
        moving.source.close()
        moving.source = PostgresSource(PostgresConfig(**guest, allow_row_security=True))
        assert changed(moving.execute(secured)) == (4, 0, 0)
        moving.source.close()
        moving.source = PostgresSource(PostgresConfig(**guest, role="robot"))
        assert [dataset.dataset_id for dataset in moving.source.collect_catalog("shop").datasets] == ["public.hidden"]


def test_a_statement_that_takes_too_long(small):
    small.psql("CREATE VIEW slow AS SELECT pg_sleep(5)::text AS x")
    source = PostgresSource(config(small, statement_timeout_s=0.2))
    unit = next(u for u in source.list_units(source.collect_catalog("shop")) if u.unit_id == "public.slow")
    error = refused(lambda: source.preview(unit, 1), errors.SourcePageFailedError)
    assert "statement timeout" in str(error)
    assert error.retryable
    source.close()


def test_connections_that_were_cut_are_not_offered_again(postgres, database):
    """They are asked whether they still stand; the next call uses a new one and works."""
    with CuttableTcp(postgres.port) as proxy:
        endpoint = PostgresConfig(url=database).model_copy(update={"port": proxy.port})
        for made in (PostgresSource(endpoint), PostgresSink(endpoint)):
            together = threading.Barrier(3)

            def hold(client=made._client, barrier=together) -> None:
                with client.session() as session:
                    session.value("SELECT 1")
                    barrier.wait()

            threads = [threading.Thread(target=hold) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert proxy.cut() >= 3
            assert made.test_connection().ok
            made.close()


def test_time_limits_of_a_database_do_not_end_what_a_run_holds(database):
    with opened(database) as one:
        one.run(
            "CREATE TABLE t (id int PRIMARY KEY)",
            *(
                f"ALTER DATABASE {database.rsplit('/', 1)[1]} SET {name} = '300ms'"
                for name in ("transaction_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout")
            ),
        )
    with mover(database, database, target_schema="copy") as moving:
        plan = moving.plan("public.t")
        with moving.source.open_view() as view, moving.sink.exclusive(moving.request("public.t").ref):
            time.sleep(0.6)
            assert [frame.height for frame in moving.source.export(plan, plan.slices[0], view)] == [0]
            with pytest.raises(errors.RunInProgressError):
                moving.move("public.t")


def test_a_sink_that_is_read_only_is_not_tried_again(database):
    with opened(database) as one, mover(database, database, target_schema="copy") as moving:
        one.run(
            "CREATE TABLE t (id int PRIMARY KEY)",
            f"ALTER DATABASE {database.rsplit('/', 1)[1]} SET default_transaction_read_only = on",
        )
        refused(lambda: moving.move("public.t"), errors.SinkPrivilegeError)


def test_a_line_that_is_cut_while_a_slice_is_read(postgres, two_databases):
    source, sink = two_databases
    with opened(source) as database, CuttableTcp(postgres.port) as proxy, mover(source, sink) as moving:
        database.run("CREATE TABLE t (id int PRIMARY KEY, body text)")
        database.run("INSERT INTO t SELECT g, repeat(md5(g::text), 900) FROM generate_series(1, 1500) g")
        plan = moving.plan("public.t")
        cut = PostgresSource(PostgresConfig(url=source).model_copy(update={"port": proxy.port}))
        batches = cut.export(plan, plan.slices[0])
        next(batches)
        proxy.cut()
        refused(lambda: list(batches), errors.SourceUnreachableError)
        cut.close()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('FATAL: password authentication failed for user "ssl"', errors.SourceAuthError),
        ('could not translate host name "ssl" to address', errors.SourceUnreachableError),
        ("server does not support SSL, but SSL was required", errors.SourceTlsError),
        ("ERROR: canceling statement due to statement timeout. SQLSTATE: 57014", errors.SourcePageFailedError),
        ("ERROR: permission denied for table x. SQLSTATE: 42501", errors.SourcePrivilegeError),
        ("ERROR: cannot execute INSERT in a read-only transaction. SQLSTATE: 25006", errors.SourcePrivilegeError),
        ('ERROR: column "x" does not exist. SQLSTATE: 42703', errors.SourceSchemaChangedError),
        ("ERROR: syntax error. SQLSTATE: 42601", errors.SourceSchemaChangedError),
        ("FATAL: sorry, too many clients already. SQLSTATE: 53300", errors.SourceUnreachableError),
        ("ERROR: disk full. SQLSTATE: 53100", errors.SourcePageFailedError),
        ("server closed the connection unexpectedly", errors.SourceUnreachableError),
        ("ERROR: terminating connection due to administrator command", errors.SourceUnreachableError),
        ("ERROR: something odd. SQLSTATE: P0001", errors.SourcePageFailedError),
    ],
)
def test_driver_errors_by_state_and_by_words(text, kind):
    error = translate(RuntimeError(text), "source", "reading x")
    assert type(error) is kind
    assert error.what.startswith("reading x: ")


def test_what_is_said_has_neither_query_nor_password():
    text = "IO: [libpq] Failed: ERROR: broken password=hunter2 near. \nQuery was:SELECT 'secret value'"
    message = str(translate(RuntimeError(text), "sink", "writing"))
    assert "hunter2" not in message
    assert "secret value" not in message


@pytest.mark.parametrize("version", ["1.12.0", "1.11.0", "0.99", "1.2.0.dev1"])
def test_a_driver_that_corrupts_decimals_is_refused(monkeypatch, version):
    monkeypatch.setattr("adbc_driver_postgresql.__version__", version)
    for endpoint in (PostgresSource, PostgresSink):
        error = refused(lambda made=endpoint: made(PostgresConfig()), errors.DependencyMissingError)
        assert version in str(error)
    monkeypatch.setattr("adbc_driver_postgresql.__version__", "1.13.0")
    PostgresSource(PostgresConfig()).close()
