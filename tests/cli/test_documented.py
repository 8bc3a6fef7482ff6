"""Every command says what it is for, takes ``--json``, and answers ``--help`` without loading what it does not need."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from typer.main import get_command

from cli.main import app
from tests.architecture.rooms import ROOT
from tests.cli.command import nucleus

WANTED = {
    "copy", "up", "down", "status", "preview", "plan", "ingest", "verify", "template list", "template show",
    "endpoint add", "endpoint list", "endpoint show", "endpoint test", "endpoint remove", "catalog collect",
    "catalog show", "catalog diff", "catalog schedule", "unit list", "unit configure", "checkpoint show", "checkpoint reset",
    "staging list", "staging clean", "cdm list", "cdm provision", "unit options", "unit entities", "remap",
    "api", "pause", "resume", "watch", "endpoint enable", "endpoint disable", "checkpoint set",
    "connector new", "connector check", "connector record", "connector promote", "sink show", "sink compact", "lineage",
    "doctor",
}  # fmt: skip
HEAVY = {"adbc_driver_manager", "boto3", "fastapi", "httpx", "nanoarrow", "polars", "prefect"}


def leaves(command, path=()):
    for name, each in getattr(command, "commands", {}).items():
        yield from leaves(each, (*path, name))
    if not hasattr(command, "commands"):
        yield " ".join(path), command


COMMANDS = dict(leaves(get_command(app)))


def test_every_command_is_there():
    assert set(COMMANDS) == WANTED


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_everything_is_explained(name):
    command = COMMANDS[name]
    assert len((command.help or "").strip()) > 20
    assert [each.name for each in command.params if not getattr(each, "help", None)] == []
    assert "--json" in {option for each in command.params for option in each.opts}
    done = nucleus(*name.split(), "--help")
    assert done.code == 0
    assert "--json" in done.out


def test_groups_are_explained():
    groups = [each for each in get_command(app).commands.values() if hasattr(each, "commands")]
    assert len(groups) == 9
    assert all(each.help for each in groups)


@pytest.mark.parametrize("arguments", [("--help",), ("copy", "--help"), ("endpoint", "add", "--help")])
def test_help_is_light(arguments):
    program = (
        f"import sys; sys.argv = ['nucleus', *{arguments!r}]\n"
        "from cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stderr.split()) & HEAVY == set()
    assert "Usage:" in done.stdout
    assert time.monotonic() - began < 3, "half a second on a quiet machine"


def test_no_command_shows_the_help():
    assert "Commands" in nucleus().said
    assert nucleus().code == 2
    assert nucleus("nothing").code == 2
