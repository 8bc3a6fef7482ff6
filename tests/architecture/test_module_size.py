"""Files stay small enough to read in one sitting."""

from __future__ import annotations

from tests.architecture.rooms import ROOT, built, files


def longer_than(limit: int, paths) -> dict[str, int]:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in paths}
    return {path: lines for path, lines in lengths.items() if lines > limit}


def test_rooms():
    assert longer_than(400, files(*built(), "benchmarks", "demo")) == {}


def test_tests():
    assert longer_than(600, files("tests")) == {}
    assert longer_than(200, (path for path in files("tests") if path.name == "conftest.py")) == {}


def test_init_holds_no_logic():
    assert longer_than(40, (path for path in files(*built()) if path.name == "__init__.py")) == {}


def test_no_drawers_for_everything():
    drawers = {"base", "common", "helpers", "manager", "utils"}
    assert [str(path) for path in files(*built()) if path.stem.strip("_") in drawers] == []
