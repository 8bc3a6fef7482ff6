"""A floor imports only floors below it: import-linter's contracts in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
import tomllib

from tests.architecture.rooms import ROOMS, ROOT, built


def test_floors():
    assert sorted(set(ROOMS) - set(built())) == []
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_holds_every_room():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["hatch"]["build"]["targets"]["wheel"]["packages"] == sorted(ROOMS)
    assert tools["mypy"]["packages"] == sorted(ROOMS)


def test_every_room_is_typed_for_whoever_imports_it():
    assert [room for room in ROOMS if not (ROOT / room / "py.typed").is_file()] == []
