"""One real pass: a control plane of one's own, endpoints, a run that is interrupted and continued."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from cli.commands.up import console_line
from flows.local.contexts import send_queued_logs, using
from flows.local.control_plane import read_record
from tests.cli.command import ended, fails, half_way, process, start, succeeds
from tests.flows.conftest import NAP
from tests.prefect_template import seed

pytestmark = [pytest.mark.prefect, pytest.mark.slow(30)]

ROWS = 10_000


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """A control plane as `nucleus up` starts it, for the tests of this file; the environment that commands need.

    Commands whose process matters (started, interrupted, watched) have one; the others run in this process.
    """
    folder = tmp_path_factory.mktemp("installation")
    home = seed(folder / "home")
    environ = {"NUCLEUS_HOME": str(home), "PREFECT_HOME": str(folder / "prefect")}
    # Whatever the proxy, and whether or not loopback is among the exceptions: nothing of this goes through it.
    environ |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "ALL_PROXY"), "http://127.0.0.1:9")
    environ |= {"no_proxy": "", "NO_PROXY": "internal.example.com"}
    environ |= {"PYTHONWARNINGS": "default", "PREFECT_API_URL": "", "NUCLEUS_STAGING": "", "NUCLEUS_KV_URL": ""}
    refused = process("status", "--json", **environ)
    assert (refused.code, refused.data["error"]["code"]) == (3, "E_CONTROL_PLANE_UNREACHABLE")
    started = process("up", "--json", **environ)
    try:
        assert started.data["control_plane"]["api_url"].startswith("http://127.0.0.1:"), started.said
        assert "Warning" not in started.err, "what it started outlives it, and nobody is to be warned of that"
        with using(read_record(home)), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield environ
            send_queued_logs()
    finally:
        ended_all = process("down", "--json", **environ)
    assert ended_all.data == {"ended": True}


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
        return succeeds(*arguments, **{**environ, "PREFECT_API_URL": os.environ["PREFECT_API_URL"]})

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

    again = process("ingest", shop, "public.orders", "--json", **environ)
    assert again.code == 0, again.said
    assert "Exception ignored" not in again.err
    summary = again.data["run"]
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
    fails("E_DATASET_NOT_IN_CATALOG", "watch", shop, "public.nothing", "--sink", lake, **environ)
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
    watched = run("watch", shop, "public.orders", "--wait", "30")["unit"]
    assert watched["state"] == "SUCCEEDED"
    stats = watched["stats"]
    assert (stats["resumed"], stats["slices_done_before"]) == (True, receipts)
    assert sink.rows("orders") == source.rows("orders")

    source.run("ALTER TABLE orders DROP COLUMN filler")
    run("resume", shop, "public.orders")
    failed = process("watch", shop, "public.orders", "--wait", "30", **environ)
    assert failed.code == 1, failed.said
    assert "E_SOURCE_SCHEMA_CHANGED" in failed.out
    assert run("endpoint", "disable", shop)["enabled"] is False
    fails("E_ENDPOINT_DISABLED", "resume", shop, "public.orders", **environ)


def test_the_console_lets_in_who_is_on_this_machine(installation):
    running = read_record(Path(installation["NUCLEUS_HOME"]))
    with httpx.Client(trust_env=False, timeout=60) as client:
        shown = client.get(running.console_url)
        assert (shown.status_code, running.console_open) == (200, True)
        assert "<h1>Overview</h1>" in shown.text
        assert client.get(running.console_url, headers={"host": "attacker.example"}).status_code == 303
    assert "without a token" in console_line(running)
    assert "asks for a token" in console_line(running._replace(console_open=False))
