"""Which tests need what, found from the fixtures and the programs they use, and the order that keeps all cores busy.

Markers are given here where a fixture or an import tells, and by ``pytestmark`` in the file where neither does. A test
that starts a Postgres or an S3 server without its marker fails, so that ``make test-fast`` stays without servers. The
kit's checks of connectors are half of what needs no server: ``make test-fast`` leaves them to ``make test``.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from connector_kit.checks.pytest_suite import ConnectorSuite
from sandbox.mariadb import SandboxMariaDb
from sandbox.postgres import SandboxPostgres
from sandbox.s3 import SandboxS3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIXTURES = {
    "postgres": "postgres",
    "mariadb": "mariadb",
    "s3": "s3",
    "control_plane": "prefect",
    "addresses": "notebook",
}
"""The fixture that starts a server: the marker of who uses it."""
PROGRAMS = {SandboxPostgres: "postgres", SandboxMariaDb: "mariadb", SandboxS3: "s3"}
"""Imported by a module of tests at run time: it starts servers of its own."""
WEIGHTS = {"slow": 10.0, "prefect": 3.0, "notebook": 3.0, "postgres": 0.5, "mariadb": 0.5, "s3": 0.5}
"""Seconds that a test with the marker takes, roughly; the largest counts, and ``slow(60)`` says it itself."""
_WEIGHT_OF_THE_REST = 0.05
_HEAVY = 3.0
"""A module from this weight on is given to a process as a whole, for its fixtures; lighter ones fill up."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark, then order."""
    for item in items:
        for marker in found_markers(item):
            item.add_marker(marker)
    items[:] = heaviest_first(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


def found_markers(item: pytest.Item) -> set[str]:
    """What the fixtures and the imports of a test say that it needs, and whether it is a check of the kit."""
    markers = {marker for fixture, marker in FIXTURES.items() if fixture in getattr(item, "fixturenames", ())}
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):  # a parameter that asks for the fixture itself
        given = [each for each in item.callspec.params.values() if isinstance(each, str)]
        markers |= {marker for fixture, marker in FIXTURES.items() if fixture in given}
    if issubclass(getattr(item, "cls", None) or object, ConnectorSuite):
        markers.add("conformance")
    imported = vars(getattr(item, "module", sys)).values()
    return markers | {marker for program, marker in PROGRAMS.items() if any(each is program for each in imported)}


def weight(item: pytest.Item) -> float:
    """Seconds, roughly."""
    marks = list(item.iter_markers())
    told = [float(mark.args[0]) for mark in marks if mark.name == "slow" and mark.args]
    return max(told or [WEIGHTS.get(mark.name, 0.0) for mark in marks], default=0.0) or _WEIGHT_OF_THE_REST


def heaviest_first(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """Heavy modules are dealt to as many piles as there are processes, the heaviest first; light ones fill the piles up.

    pytest-xdist cuts the list into parts of equally many tests, one for each process, and a process that has done its
    part takes from the end of another's. So each part must begin with what takes long.
    """
    modules: dict[object, list[pytest.Item]] = defaultdict(list)
    for item in items:
        modules[item.path].append(item)
    ordered = sorted(modules.values(), key=lambda some: -sum(map(weight, some)))
    piles: list[list[pytest.Item]] = [[] for _ in range(processes)]
    sizes = [(len(items) + number) // processes for number in range(processes)]  # as pytest-xdist cuts
    loads = [0.0] * processes
    light: list[pytest.Item] = []
    for module in ordered:
        open_piles = [n for n in range(processes) if len(piles[n]) + len(module) <= sizes[n]]
        if sum(map(weight, module)) < _HEAVY or not open_piles:
            light += module
            continue
        lightest = min(open_piles, key=loads.__getitem__)
        piles[lightest] += module
        loads[lightest] += sum(map(weight, module))
    for pile, size in zip(piles, sizes, strict=True):
        missing = size - len(pile)
        pile.extend(light[:missing])
        del light[:missing]
    return [item for pile in piles for item in pile]


def require_mariadb() -> None:
    """Skip where the system's package is not installed; in CI, which installs it, that is a failure."""
    why = SandboxMariaDb.missing()
    if why is not None and os.environ.get("NUCLEUS_REQUIRE_MARIADB"):
        pytest.fail(why)
    if why is not None:
        pytest.skip(why)


@pytest.fixture(autouse=True)
def _only_marked_tests_start_servers(request: pytest.FixtureRequest) -> Iterator[None]:
    """A server that an unmarked test starts would make the fast part slow in silence."""
    undone = [forbid(program) for program, name in PROGRAMS.items() if request.node.get_closest_marker(name) is None]
    yield
    for undo in undone:
        undo()


def forbid(program: type[SandboxPostgres | SandboxMariaDb | SandboxS3]) -> Callable[[], None]:
    """Let starting the program fail until the returned function is called."""
    start = program.start

    def refuse(self: object) -> None:
        pytest.fail(f"This test starts a {program.__name__}: mark it `{PROGRAMS[program]}` (tests/selection.py)")

    program.start = refuse  # type: ignore[method-assign, assignment]
    return lambda: setattr(program, "start", start)
