"""A class name means one thing in the whole repository, tests included: whoever searches for it finds one definition."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache

from tests.architecture.rooms import ROOT, built, files

FOLDERS = ("benchmarks", "demo", "notebooks", "tests")
EXCEPTIONS: dict[str, str] = {}
"""Names that may be defined more than once, each with its reason. Keep it empty if you can."""


@cache
def definitions() -> dict[str, list[str]]:
    """Every class name, and where it is defined: ``path:line``."""
    found = defaultdict(list)
    for path in files(*built(), *FOLDERS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


def test_no_name_is_defined_twice():
    twice = {name: places for name, places in definitions().items() if len(places) > 1}
    assert {name: twice[name] for name in sorted(twice.keys() - EXCEPTIONS.keys())} == {}, "rename one"


def test_the_exceptions_are_still_needed():
    found = definitions()
    assert {name for name in EXCEPTIONS if len(found.get(name, ())) < 2} == set(), "take these out of EXCEPTIONS"
