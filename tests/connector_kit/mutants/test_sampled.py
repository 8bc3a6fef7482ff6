"""The page about sampled bugs names bugs that are planted, each with the check that finds it."""

from __future__ import annotations

import re

from tests.architecture.rooms import ROOT
from tests.connector_kit.mutants import planted_sampled
from tests.connector_kit.mutants.test_mutants import ALL

PAGE = (ROOT / "docs" / "sampled-bugs.md").read_text(encoding="utf-8")
ROW = re.compile(
    r"^\| (?P<report>[\w.-]+/[\w.-]+#\d+) \| (?P<kind>.+) \| (?P<planted>.+) \| `(?P<check>\S+)` \|$", re.MULTILINE
)


def _rows(text: str) -> list[dict[str, str]]:
    return [found.groupdict() for found in ROW.finditer(text)]


def test_every_row_names_a_planted_bug_and_its_check():
    rows = _rows(PAGE)
    assert len(rows) == sum(line.startswith("| ") for line in PAGE.splitlines()) - 2  # two rows of headings
    planted = {(mutant.name, mutant.check_id) for mutant in ALL}
    assert [row for row in rows if (row["planted"], row["check"]) not in planted] == []
    for name in ("report", "kind", "planted"):
        assert len({row[name] for row in rows}) == len(rows), name


def test_the_new_kinds_are_those_that_were_planted_for_them():
    new, before = PAGE.split("\nThese have a kind", 1)
    made = {mutant.name for mutant in planted_sampled.MUTANTS}
    assert {row["planted"] for row in _rows(new)} == made
    assert f"**{len(made)} kinds were new**" in new
    assert not made & {row["planted"] for row in _rows(before)}
    assert len({mutant.name for mutant in ALL}) == len(ALL)
