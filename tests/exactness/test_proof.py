"""The proof in its short form: 21 failures over every source and sink. 200 and the page: ``make prove``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.architecture.rooms import ROOT
from tests.exactness.moving import Pair
from tests.exactness.proof.places import PLACES, ProofPlace, walk_over
from tests.exactness.proof.tables import LATE_COMMIT, TableWalk
from tests.exactness.proof.tally import BEGIN, END, Tally, page, within_marks
from tests.selection import require_mariadb

if TYPE_CHECKING:
    from pathlib import Path

EACH = 3
SHORT = (
    ProofPlace("postgres", "postgres", "threads", "incremental", cursor=True),
    ProofPlace("mariadb", "postgres", "threads", "full", cursor=True),
    ProofPlace("sqlite", "postgres", "threads", "incremental", cursor=True),
    ProofPlace("postgres", "parquet", "threads", "full", cursor=True),
    ProofPlace("postgres", "iceberg", "threads", "incremental", cursor=True),
    ProofPlace("confluence", "postgres", "threads"),
    ProofPlace("onedrive", "postgres", "threads"),
)


def servers_of(place: ProofPlace) -> list[pytest.MarkDecorator]:
    """Markers of what the place starts."""
    return [pytest.mark.postgres, *([pytest.mark.mariadb] if place.source == "mariadb" else [])]


@pytest.mark.slow(8)
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "place", [pytest.param(one, marks=servers_of(one)) for one in SHORT], ids=lambda one: f"{one.source}-{one.sink}"
)
def test_nothing_is_lost_and_nothing_doubled(place: ProofPlace, tmp_path: Path) -> None:
    if place.source == "mariadb":
        require_mariadb()
    with walk_over(place, tmp_path / "walk", seed=100 + SHORT.index(place)) as walk:
        tally = walk.go(EACH)
    print(page([tally], 0))
    assert tally.is_exact, page([tally], 0)
    assert tally.failures.total() == EACH
    assert tally.runs >= 1


@pytest.mark.postgres
@pytest.mark.slow(8)
@pytest.mark.timeout(300)
def test_the_walk_finds_a_planted_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watermark that does not wait for open transactions loses rows, and the walk counts them."""
    monkeypatch.setattr(Pair, "source_maker", "tests.exactness.proof.planted:naive_source")
    monkeypatch.setattr(TableWalk, "kinds", lambda walk: {LATE_COMMIT: walk._late_commit})
    with walk_over(SHORT[0], tmp_path / "walk", seed=1) as walk:
        tally = walk.go(2)
    assert tally.failures == {LATE_COMMIT: 2}
    assert tally.rows_lost > 0
    assert not tally.is_exact


def test_every_source_and_sink_is_in_the_short_form() -> None:
    assert set(SHORT) <= set(PLACES)
    assert {one.sink for one in SHORT} == {one.sink for one in PLACES}
    assert {one.source for one in PLACES} - {one.source for one in SHORT} == {"jira"}, "it has a chain of its own"
    assert EACH * len(SHORT) >= 20


def test_the_page_of_the_docs_tells_what_was_measured_last() -> None:
    text = (ROOT / "docs" / "exactness.md").read_text()
    measured = text.partition(BEGIN)[2].partition(END)[0]
    assert "**0 lost, 0 doubled**" in measured
    for place in PLACES:
        assert f"| {place} |" in measured
    assert within_marks(text, measured) == text


def test_a_row_that_differs_is_counted_and_no_page_hides_it() -> None:
    tally = Tally("somewhere")
    tally.compare(["1|a", "2|b", "3|c"], ["1|a", "1|a", "2|old"])
    assert (tally.rows_lost, tally.rows_doubled) == (2, 2)
    assert not tally.is_exact
    assert "**2 lost, 2 doubled**" in page([tally], 7)
    broken = Tally("elsewhere", broken=["the run was not continued"])
    assert not broken.is_exact
    assert "the run was not continued" in page([broken], 7)
