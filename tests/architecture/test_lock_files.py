"""The lock files hold every direct dependency at a version that pyproject.toml allows, with hashes."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.rooms import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
GROUPS_OF = {
    "runtime": (),
    "dev": ("dev",),
    "docs": ("docs",),
    "notebooks": ("dev", "notebooks"),
    "bench": ("dev", "bench"),
}
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==(\S+)", re.MULTILINE)


def requirements(group: str) -> Iterator[Requirement]:
    for entry in PROJECT["dependency-groups"][group]:
        if isinstance(entry, dict):
            yield from requirements(entry["include-group"])
        else:
            yield Requirement(entry)


def pins(lock: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version in PINNED.findall((ROOT / "requirements" / f"{lock}.lock").read_text()):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


@pytest.mark.parametrize("lock", GROUPS_OF)
def test_every_direct_dependency_is_locked(lock):
    wanted = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    wanted += [requirement for group in GROUPS_OF[lock] for requirement in requirements(group)]
    pinned = pins(lock)
    unfit = [
        f"{requirement} (locked: {pinned.get(canonicalize_name(requirement.name), 'not at all')})"
        for requirement in wanted
        if not any(requirement.specifier.contains(v) for v in pinned.get(canonicalize_name(requirement.name), ()))
    ]
    assert unfit == [], "re-lock with `make lock`"


@pytest.mark.parametrize("lock", GROUPS_OF)
def test_the_locks_agree(lock):
    dev = pins("dev")
    assert {name: versions for name, versions in pins(lock).items() if versions != dev.get(name, versions)} == {}


@pytest.mark.parametrize("lock", GROUPS_OF)
def test_every_pin_has_a_hash(lock):
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    assert len(PINNED.findall(text)) == len(re.findall(r"^\S+==.*\\\n    --hash=sha256:", text, re.MULTILINE))


def test_locks_are_installed_as_they_are():
    # pip that resolves looks at newer releases than the locked ones, finds no hash for them, and gives up.
    lines = [
        *(ROOT / "Makefile").read_text().splitlines(),
        *(ROOT / "benchmarks" / "table_copy.py").read_text().splitlines(),
    ]
    installs = [line for line in lines if "--require-hashes" in line]
    assert len(installs) >= 4
    assert [line for line in installs if "--no-deps" not in line] == []


@pytest.mark.slow
def test_what_is_installed_lacks_nothing():
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
