"""What a run shows while it goes on: bars on a terminal, lines elsewhere, nothing for programs."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

from tests.architecture.rooms import ROOT
from tests.cli.command import nucleus


def fill(source):
    source.run(
        "CREATE TABLE many (id int PRIMARY KEY, filler text);"
        "INSERT INTO many SELECT i, repeat(md5(i::text), 6) FROM generate_series(1, 20000) i; ANALYZE many"
    )


def test_lines_and_silence(source, sink):
    fill(source)
    command = ("copy", source.url, "many", sink.url, "--slice-size", "256KiB")
    done = nucleus(*command)
    first, *others = done.err.splitlines()
    assert first.startswith("public.many: full, ")
    assert others[0].startswith("  slice ")
    assert "rows/s" in others[0]
    assert "MiB staged" in others[0]
    assert nucleus(*command, "--json").err == ""


def test_bars_on_a_terminal(source, sink):
    fill(source)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "cli", "copy", source.url, "many", sink.url, "--slice-size", "256KiB"]
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "160"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdin=theirs, stdout=theirs, stderr=theirs) as running:
        os.close(theirs)
        shown = read_all(ours)
    assert running.returncode == 0, shown
    assert "public.many (full)" in shown
    assert "rows/s" in shown
    assert "eta" in shown
    assert "rows inserted" in shown


def read_all(terminal):
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    os.close(terminal)
    return b"".join(parts).decode()
