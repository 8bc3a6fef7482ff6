"""What the tools report about modules that are not yet in the repository: ruff, mypy, and Python itself.

Each runs in the shadow of the repository, as ``python -m <tool>`` of this interpreter, with the repository's own
configuration. Paths in their answers are below that folder; a `SourceMap` translates them to cells.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import contracts
from contracts.errors import DependencyMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATIENCE_S = 60
_SORTING = ("--select", "I,F401", "--fix-only", "--quiet")
# Where the project selects TC rules, imports for types only move under TYPE_CHECKING as a matter of course.
_SETTLED = ("--fix-only", "--quiet", "--config", 'lint.extend-safe-fixes = ["TC"]')


@dataclass(frozen=True)
class ToolMessage:
    """A message of a tool; ``path`` is below the tree, or empty when it is about no file."""

    path: str
    line: int
    what: str
    fix: str


def tidy(tree: Path, files: Sequence[str]) -> None:
    """Sort and prune the imports of the files, apply the project's automatic fixes, and format them, in place.

    Raises:
        DependencyMissingError: ruff is not installed.
    """
    _ruff(tree, "check", *_SORTING, *files)
    _ruff(tree, "check", *_SETTLED, *files)
    _ruff(tree, "format", "--quiet", *files)


def lint(tree: Path, files: Sequence[str]) -> list[ToolMessage]:
    """What ``ruff check`` says against the files, by the project's own rules, or ruff's where it has none.

    Attributes of a test system are mutable by design: RUF012 is not asked.
    """
    done = _ruff(tree, "check", "--output-format", "json", "--ignore", "RUF012", *files)
    if done.returncode not in {0, 1}:
        return [
            ToolMessage("", 0, f"ruff ends with {done.returncode}: {done.stderr.strip()}", "Correct its configuration.")
        ]
    return [_of_ruff(tree, each) for each in json.loads(done.stdout or "[]")]


def types(tree: Path, files: Sequence[str], cache: Path) -> list[ToolMessage]:
    """What ``mypy --strict`` says against the files; what they import is read too, and not judged.

    The options are those of a plain ``mypy`` of the project, so that each uses what the other learned of packages.

    Args:
        tree: The shadow of the repository.
        files: Below it.
        cache: Where mypy keeps what it knows of packages, unless ``MYPY_CACHE_DIR`` says otherwise.

    Raises:
        DependencyMissingError: mypy is not installed.
    """
    place = [] if "MYPY_CACHE_DIR" in os.environ else ["--cache-dir", str(cache)]
    done = _tool(tree, "mypy", "--strict", "--output=json", "--no-error-summary", *place, *files)
    said = [_of_mypy(tree, line) for line in done.stdout.splitlines() if line.strip()]
    messages = [each for each in said if each is not None]
    if done.returncode and not messages:
        return [
            ToolMessage("", 0, f"mypy ends with {done.returncode}: {done.stderr.strip()}", "Correct its configuration.")
        ]
    # A module elsewhere that cannot be parsed ends mypy before it looks at ours.
    return [each for each in messages if each.path in {"", *files} or each.what.endswith("[syntax]")]


def run_program(tree: Path, program: str, *arguments: str) -> dict[str, Any]:
    """The JSON object that a program prints last, run with the tree's modules before all others.

    Raises:
        RuntimeError: It prints none (it was killed, or a module ended the process), or does not come to an end.
    """
    try:
        done = _run(tree, "-c", program, *arguments, limit_s=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"takes more than {_PATIENCE_S} s") from None
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        raise RuntimeError(f"ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}") from None
    return dict(answer)


def _ruff(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command, *rest = arguments
    return _tool(tree, "ruff", command, "--no-cache", *rest)


def _tool(tree: Path, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    if find_spec(name) is None:
        raise DependencyMissingError(
            f"Promotion runs {name} over the modules, and the package {name!r} is not installed",
            f"Install it: {Path(sys.executable).name} -m pip install {name}",
            package=name,
        )
    return _run(tree, "-m", name, *arguments)


def _run(tree: Path, *arguments: str, limit_s: float | None = None) -> subprocess.CompletedProcess[str]:
    search = [*_search(tree), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(search), "PYTHONDONTWRITEBYTECODE": "1"}
    kit = [path for path in _search(tree) if path != str(tree)]
    if kit:
        environment["MYPYPATH"] = os.pathsep.join(kit)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=limit_s,
    )


def _search(tree: Path) -> list[str]:
    # A third party's tree has no contracts: they come from where this process has them, unless that is installed.
    kit, here = Path(str(contracts.__file__)).parents[1], [tree, *([tree / "src"] if (tree / "src").is_dir() else [])]
    installed = {Path(sysconfig.get_path(name)) for name in ("purelib", "platlib")}
    if not (tree / "contracts").exists() and kit not in installed:
        here.append(kit)
    return [str(path) for path in here]


def _of_ruff(tree: Path, message: dict[str, Any]) -> ToolMessage:
    what = f"{message['code'] or 'syntax'} {message['message']}"
    fix = (message.get("fix") or {}).get("message") or f"See `ruff rule {message['code']}`."
    return ToolMessage(_below(tree, message["filename"]), message["location"]["row"], what, fix)


def _of_mypy(tree: Path, line: str) -> ToolMessage | None:
    try:
        message = json.loads(line)
    except ValueError:
        return ToolMessage("", 0, f"mypy: {line}", "Correct what it names.")
    if message["severity"] != "error":
        return None
    fix = message.get("hint") or "Annotate the types, or change the code."
    return ToolMessage(
        _below(tree, message["file"]), max(message["line"], 0), f"{message['message']} [{message['code']}]", fix
    )


def _below(tree: Path, path: str) -> str:
    for start in (tree, tree.resolve()):
        if Path(path).is_absolute() and Path(path).is_relative_to(start):
            return str(Path(path).relative_to(start))
    return path
