"""A copy that is interrupted or killed, and the same command again."""

from __future__ import annotations

import fcntl
import os
import signal
import tempfile
import time

import pytest

from cli.scratch_folder import PREFIX, scratch_folder
from tests.cli.command import ended, half_way, start, succeeds

ROWS = 30_000


@pytest.fixture
def wide(source):
    """A table that is cut into many slices."""
    source.run(
        "CREATE TABLE wide (id int PRIMARY KEY, filler text, changed int NOT NULL);"
        f"INSERT INTO wide SELECT i, repeat(md5(i::text), 6), i FROM generate_series(1, {ROWS}) i;"
        "ANALYZE wide"
    )
    return "wide"


def content(place):
    return place.run("SELECT count(*), sum(hashtextextended(w::text, 0)) FROM wide w")


@pytest.mark.parametrize(
    ("signal_number", "mode"),
    [
        (signal.SIGINT, ()),
        (signal.SIGTERM, ("--incremental", "changed")),
        (signal.SIGKILL, ()),
        (signal.SIGKILL, ("--incremental", "changed")),
    ],
)
def test_the_same_command_continues(databases, wide, signal_number, mode, tmp_path):
    source, sink = databases
    command = ("copy", source.url, wide, sink.url, "--slice-size", "64KiB", "--parallel", "1", *mode)
    running = start(*command, TMPDIR=str(tmp_path))
    half_way(sink, running)
    running.send_signal(signal_number)
    done = ended(running)
    if signal_number != signal.SIGKILL:
        assert done.code == 130, done.said
        assert "the same command again continues there" in done.err
        assert "Traceback" not in done.said
        assert list(tmp_path.iterdir()) == []
    run = succeeds(*command)["run"]
    assert run["resumed"]
    assert run["slices_done_before"] >= 3
    assert run["slices_done"] + run["slices_done_before"] >= run["slices_planned"]
    assert content(sink) == content(source)


def test_json_of_an_interruption(source, sink, wide):
    running = start("copy", source.url, wide, sink.url, "--slice-size", "64KiB", "--parallel", "1", "--json")
    half_way(sink, running)
    running.send_signal(signal.SIGINT)
    done = ended(running)
    assert (done.code, done.data["error"]["code"]) == (130, "E_INTERRUPTED")
    assert "slice(s) are in the sink" in done.data["error"]["hint"]
    assert "Stopping" in done.err


def test_a_second_signal_leaves_at_once(source, sink):
    source.run("CREATE VIEW slow AS SELECT i AS id, pg_sleep(60)::text AS x FROM generate_series(1, 5) i")
    running = start("copy", source.url, "slow", sink.url)
    deadline = time.monotonic() + 30
    while source.run("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "0":
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for _ in range(2):
        running.send_signal(signal.SIGINT)
        time.sleep(0.3)
    began = time.monotonic()
    assert ended(running).code == 130
    assert time.monotonic() - began < 5


def test_folders_of_killed_copies_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = {name: tmp_path / f"{PREFIX}{name}" for name in ("dead", "young", "alive")}
    for folder in left.values():
        folder.mkdir()
        (folder / ".lock").touch()
    os.utime(left["dead"], (0, 0))
    os.utime(left["alive"], (0, 0))
    with (left["alive"] / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with scratch_folder() as mine:
            assert mine.is_dir()
            assert {name for name, folder in left.items() if folder.exists()} == {"young", "alive"}
    assert not mine.exists()
