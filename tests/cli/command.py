"""The command, in this process or in one of its own, and what it said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from typer.testing import CliRunner

from cli.main import app
from tests.architecture.rooms import ROOT

_started: list[subprocess.Popen[str]] = []


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Stdout as JSON; there must be nothing else."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """Both streams."""
        return self.out + self.err


def start(*arguments: str, under: tuple[str, ...] = (), **environ: str) -> subprocess.Popen[str]:
    """The command, running (``under`` another one); warnings are errors as everywhere in the tests."""
    env = {**os.environ, "PYTHONWARNINGS": "error", "COLUMNS": "200", **environ}
    running = subprocess.Popen(
        [*under, sys.executable, "-m", "cli", *arguments],
        cwd=ROOT,
        env=env,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    _started.append(running)
    return running


def end_started() -> None:
    """End and wait for what a test started and, as it failed, did not wait for."""
    while _started:
        with _started.pop() as running:
            if running.poll() is None:
                running.kill()


def nucleus(*arguments: str, answers: str | None = None, **environ: str) -> Done:
    """Run the command to its end, in this process: a second sooner than in one of its own.

    What the command sets for the processes it starts (the server it found, say) ends with it, as it would.
    """
    env = {"COLUMNS": "200", **environ}
    with patch.dict(os.environ):
        result = CliRunner().invoke(app, arguments, input=answers, env=env, catch_exceptions=False)
    return Done(result.exit_code, result.stdout, result.stderr)


def process(*arguments: str, **options: Any) -> Done:
    """Run the command to its end as a process of its own."""
    return ended(start(*arguments, **options))


def ended(running: subprocess.Popen[str]) -> Done:
    """What a running command said until it ended."""
    out, err = running.communicate(timeout=100)
    return Done(running.returncode, out, err)


def succeeds(*arguments: str, **environ: str) -> Any:
    """Run with ``--json``; the document it printed. It must exit with 0."""
    done = nucleus(*arguments, "--json", **environ)
    assert done.code == 0, done.said
    return done.data


def fails(code: str, *arguments: str, **environ: str) -> dict[str, Any]:
    """Run twice, for people and programs: exit code 3, that error code, a hint, no traceback, no password."""
    for_people, for_programs = nucleus(*arguments, **environ), nucleus(*arguments, "--json", **environ)
    secrets = {urlsplit(each).password for each in arguments if "://" in each} - {None}
    for done in (for_people, for_programs):
        assert done.code == 3, done.said
        assert "Traceback" not in done.said
        assert not [secret for secret in secrets if secret in done.said], done.said
    error: dict[str, Any] = for_programs.data["error"]
    assert error["code"] == code, error
    assert for_people.err.rpartition(code)[2].startswith(": "), for_people.err
    assert error["hint"], error
    assert "Next: " in for_people.err
    return error


def half_way(sink: Any, running: subprocess.Popen[str], slices: int = 3) -> None:
    """Wait until some slices are in the sink."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        there = sink.run("SELECT to_regclass('nucleus.receipts') IS NOT NULL")
        if there == "t" and int(sink.run("SELECT count(*) FROM nucleus.receipts")) >= slices:
            return
        time.sleep(0.02)
    raise AssertionError(f"the copy ended before it could be interrupted: {ended(running)}")
