"""A floor imports only floors below it: import-linter's contracts in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from tests.architecture.rooms import ROOMS, ROOT, built


def test_floors():
    missing = sorted(set(ROOMS) - set(built()))
    if missing:
        pytest.skip(f"rooms not built yet: {', '.join(missing)}")
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_holds_every_room():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["hatch"]["build"]["targets"]["wheel"]["packages"] == sorted(ROOMS)
    assert tools["mypy"]["packages"] == sorted(ROOMS)
