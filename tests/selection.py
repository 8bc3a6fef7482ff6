"""Which tests need what, found from the fixtures and the programs they use, and the order that keeps all cores busy.

Markers are given here where a fixture or an import tells, and by ``pytestmark`` in the file where neither does. A test
that starts a Postgres or an S3 server without its marker fails, so that ``make test-fast`` stays without servers.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from sandbox.postgres import SandboxPostgres
from sandbox.s3 import SandboxS3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIXTURES = {
    "postgres": "postgres",
    "s3": "s3",
    "control_plane": "prefect",
    "addresses": "notebook",
}
"""The fixture that starts a server: the marker of who uses it."""
PROGRAMS = {SandboxPostgres: "postgres", SandboxS3: "s3"}
"""Imported by a module of tests at run time: it starts servers of its own."""
WEIGHTS = {"slow": 10.0, "prefect": 5.0, "notebook": 3.0, "postgres": 0.5, "s3": 0.5}
"""Seconds that a test with the marker takes, roughly; the largest counts."""
_WEIGHT_OF_THE_REST = 0.05


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark, then order."""
    for item in items:
        for marker in found_markers(item):
            item.add_marker(marker)
    items[:] = heaviest_modules_first(items)


def found_markers(item: pytest.Item) -> set[str]:
    """What the fixtures and the imports of a test say that it needs."""
    markers = {marker for fixture, marker in FIXTURES.items() if fixture in getattr(item, "fixturenames", ())}
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):  # a parameter that asks for the fixture itself
        given = [each for each in item.callspec.params.values() if isinstance(each, str)]
        markers |= {marker for fixture, marker in FIXTURES.items() if fixture in given}
    imported = vars(getattr(item, "module", sys)).values()
    return markers | {marker for program, marker in PROGRAMS.items() if any(each is program for each in imported)}


def weight(item: pytest.Item) -> float:
    """Seconds, roughly."""
    return max((WEIGHTS.get(mark.name, 0.0) for mark in item.iter_markers()), default=0.0) or _WEIGHT_OF_THE_REST


def heaviest_modules_first(items: list[pytest.Item]) -> list[pytest.Item]:
    """Modules stay together, for their fixtures, and are dealt to two halves, the heaviest first in each.

    pytest-xdist gives each of two processes one half, and the one that ends first takes from the end of the other's.
    """
    modules: dict[object, list[pytest.Item]] = defaultdict(list)
    for item in items:
        modules[item.path].append(item)
    halves: tuple[list[pytest.Item], list[pytest.Item]] = ([], [])
    loads = [0.0, 0.0]
    for module in sorted(modules.values(), key=lambda some: -sum(map(weight, some))):
        lighter = loads.index(min(loads))
        halves[lighter].extend(module)
        loads[lighter] += sum(map(weight, module))
    return [*halves[0], *halves[1]]


@pytest.fixture(autouse=True)
def _only_marked_tests_start_servers(request: pytest.FixtureRequest) -> Iterator[None]:
    """A server that an unmarked test starts would make the fast part slow in silence."""
    undone = [forbid(program) for program, name in PROGRAMS.items() if request.node.get_closest_marker(name) is None]
    yield
    for undo in undone:
        undo()


def forbid(program: type[SandboxPostgres | SandboxS3]) -> Callable[[], None]:
    """Let starting the program fail until the returned function is called."""
    start = program.start

    def refuse(self: object) -> None:
        pytest.fail(f"This test starts a {program.__name__}: mark it `{PROGRAMS[program]}` (tests/selection.py)")

    program.start = refuse  # type: ignore[method-assign, assignment]
    return lambda: setattr(program, "start", start)
