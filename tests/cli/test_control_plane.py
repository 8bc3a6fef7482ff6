"""One real pass: a control plane of one's own, endpoints, a run that is interrupted and continued."""

from __future__ import annotations

import signal

import pytest

from tests.cli.command import ended, half_way, process, start
from tests.flows.conftest import NAP
from tests.prefect_template import seed

pytestmark = [pytest.mark.prefect, pytest.mark.slow(30)]

ROWS = 10_000


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """A control plane as `nucleus up` starts it, for the tests of this file; the environment that commands need."""
    folder = tmp_path_factory.mktemp("installation")
    environ = {"NUCLEUS_HOME": str(seed(folder / "home")), "PREFECT_HOME": str(folder / "prefect")}
    # Whatever the proxy, and whether or not loopback is among the exceptions: nothing of this goes through it.
    environ |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    environ |= {"no_proxy": "", "NO_PROXY": "internal.example.com"}
    environ |= {"PYTHONWARNINGS": "default", "PREFECT_API_URL": "", "NUCLEUS_STAGING": "", "NUCLEUS_KV_URL": ""}
    refused = process("status", "--json", **environ)
    assert (refused.code, refused.data["error"]["code"]) == (3, "E_CONTROL_PLANE_UNREACHABLE")
    started = process("up", "--json", **environ)
    assert started.data["control_plane"]["api_url"].startswith("http://127.0.0.1:"), started.said
    yield environ
    assert process("down", "--json", **environ).data == {"ended": True}


@pytest.fixture
def registered(installation, source, sink):
    """A catalogued source and a sink, whose ids are the names of their databases; gives the function that runs a command."""
    shop, lake = (database.name.replace("_", "-") for database in (source, sink))
    environ = {**installation, "SOURCE": source.url, "SINK": sink.url}
    source.run(
        "CREATE TABLE orders (id int PRIMARY KEY, filler text, changed int NOT NULL);"
        f"INSERT INTO orders SELECT i, repeat(md5(i::text), 6), i FROM generate_series(1, {ROWS}) i; ANALYZE orders"
    )

    def run(*arguments):
        done = process(*arguments, "--json", **environ)
        assert done.code == 0, done.said
        assert "Exception ignored" not in done.err
        return done.data

    run("endpoint", "add", shop, "--template", "jdbc.postgres", "--secret", "url=env:SOURCE")
    run("endpoint", "add", lake, "--template", "jdbc.postgres", "--secret", "url=env:SINK")
    run("catalog", "collect", shop)
    run(
        "unit", "configure", shop, "public.orders", "--sink", lake, "--mode", "incremental",
        "--cursor", "changed", "--slice-size", "64KiB", "--parallel", "1",
    )  # fmt: skip
    return run, environ, shop, lake


@pytest.mark.timeout(300)
def test_a_registered_unit(registered, source, sink):
    run, environ, shop, _ = registered
    running = start("ingest", shop, "public.orders", **environ)
    half_way(sink, running)
    running.send_signal(signal.SIGINT)
    done = ended(running)
    assert done.code == 130, done.said
    assert "the same command again continues there" in done.err
    assert "Traceback" not in done.said

    summary = run("ingest", shop, "public.orders")["run"]
    assert summary["resumed"]
    assert summary["slices_done_before"] >= 3
    assert sink.rows("orders") == source.rows("orders")
    assert run("verify", shop, "public.orders")["verify"]["rows_sink"] == ROWS

    source.run("UPDATE orders SET filler = 'new', changed = changed + 100000 WHERE id <= 5")
    summary = run("ingest", shop, "public.orders")["run"]
    assert summary["rows_updated"] == 5
    assert summary["rows_read"] < 100
    assert sink.rows("orders") == source.rows("orders")
    (checkpoint,) = run("checkpoint", "show", shop)["checkpoints"]
    assert checkpoint["cursor"] == summary["checkpoint_after"]
    (state,) = [unit for unit in run("status")["units"] if unit["endpoint_id"] == shop]
    assert state["state"] == "SUCCEEDED"


@pytest.mark.timeout(300)
def test_pause_watch_resume(registered, source, sink):
    run, environ, shop, lake = registered
    refused = process("watch", shop, "public.nothing", "--sink", lake, "--json", **environ)
    assert (refused.code, refused.data["error"]["code"]) == (3, "E_DATASET_NOT_IN_CATALOG")
    assert run("watch", shop, "public.orders")["unit"]["state"] == "IDLE"
    running = start("ingest", shop, "public.orders", **environ)
    watching = start("watch", shop, "public.orders", "--wait", "60", "--json", **environ)
    half_way(sink, running)
    sink.run(NAP)
    assert run("pause", shop, "public.orders")["paused"]["run_id"]
    paused = ended(running)
    sink.run("DROP TRIGGER nap ON nucleus.receipts")
    assert "E_RUN_PAUSED" in paused.err, paused.said
    assert "Traceback" not in paused.said
    watched = ended(watching)
    assert (watched.code, watched.data["unit"]["state"]) == (0, "PAUSED"), watched.said
    assert "slices" in watched.err, "it told of the progress"
    receipts = int(sink.run("SELECT count(*) FROM nucleus.receipts"))

    run("resume", shop, "public.orders")
    done = process("watch", shop, "public.orders", "--wait", "30", "--json", **environ)
    assert (done.code, done.data["unit"]["state"]) == (0, "SUCCEEDED"), done.said
    stats = done.data["unit"]["stats"]
    assert (stats["resumed"], stats["slices_done_before"]) == (True, receipts)
    assert sink.rows("orders") == source.rows("orders")

    source.run("ALTER TABLE orders DROP COLUMN filler")
    run("resume", shop, "public.orders")
    failed = process("watch", shop, "public.orders", "--wait", "30", **environ)
    assert failed.code == 1, failed.said
    assert "E_SOURCE_SCHEMA_CHANGED" in failed.out
    assert run("endpoint", "disable", shop)["enabled"] is False
    off = process("resume", shop, "public.orders", "--json", **environ)
    assert (off.code, off.data["error"]["code"]) == (3, "E_ENDPOINT_DISABLED")
