"""Pages as real systems give them: short, empty, doubled, mixed, and bookmarks that lead in circles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import Group, Outcome, failed
from connector_kit.checks.lab import SkippedError
from connector_kit.checks.rows import bare, difference
from connector_kit.checks.verdicts import did, in_words, rows_or_told, same_rows
from connector_kit.checks.wire import Watch
from connector_kit.tape.pages import Duplicate, EditRow, EmptyPage, Reorder, RepeatToken, Short
from connector_kit.tape.spoil import Status

if TYPE_CHECKING:
    from connector_kit.checks.bench import Bench
    from connector_kit.tape.pages import PageSpoil

GROUP = Group("pages", "Pages")
MOST_PAGES = 300
"""A list of a lab has fewer."""


@GROUP.check("every-row", "Every row that the system sends comes out", "I1")
def every_row(bench: Bench) -> Outcome:
    """Keys on the wire against keys that came out."""
    watch = Watch.at(bench.lab.row_spot)
    reading = bench.spoiled(watch)
    if not watch.pages:
        raise SkippedError("no page of rows went over the tape")
    sent = f"{len(watch.keys)} rows in {len(watch.pages)} answers"
    expected = f"those {len(watch.keys)} rows, and no others"
    if reading.error is not None:
        return failed(sent, in_words(reading.error), expected)
    said = difference(bare(watch.keys), bare(reading.rows))
    return Outcome(not said, sent, said or f"{len(reading.rows)} rows", expected)


def _spoiled_pages(bench: Bench, spoil: PageSpoil) -> Outcome:
    truth, reading = bench.truth, bench.spoiled(spoil)
    return same_rows(did(spoil), truth, reading)


@GROUP.check("duplicate", "Rows that come twice are one row", "I2 I9")
def duplicate(bench: Bench) -> Outcome:
    """The last two rows of every page come again on the next."""
    spot = bench.lab.pages
    return _spoiled_pages(bench, Duplicate(spot.shape, 2, path=spot.path, method=spot.method, times=None))


@GROUP.check("reordered", "The order of rows in a page does not matter", "I1")
def reordered(bench: Bench) -> Outcome:
    """Rows of every page are mixed."""
    spot = bench.lab.row_spot
    return _spoiled_pages(bench, Reorder(spot.shape, path=spot.path, method=spot.method, times=None))


@GROUP.check("short", "A short page is not the last one", "I1 I9")
def short(bench: Bench) -> Outcome:
    """Every page holds half of its rows."""
    spot = bench.lab.pages
    return _spoiled_pages(bench, Short(spot.shape, path=spot.path, method=spot.method, times=None))


@GROUP.check("empty", "An empty page with a next page is not the last one", "I1 I9")
def empty(bench: Bench) -> Outcome:
    """The second page has no rows; they come on the third."""
    spot = bench.lab.pages
    return _spoiled_pages(bench, EmptyPage(spot.shape, path=spot.path, method=spot.method, nth=2))


@GROUP.check("empty-first", "A list that begins with an empty page is not empty", "I1 I9")
def empty_first(bench: Bench) -> Outcome:
    """The first page has no rows; they come on the second."""
    spot = bench.lab.pages
    return _spoiled_pages(bench, EmptyPage(spot.shape, path=spot.path, method=spot.method))


@GROUP.check("token-repeats", "A bookmark that leads back to its own page does not go on for ever", "I1 I9")
def token_repeats(bench: Bench) -> Outcome:
    """The second page's bookmark is its own."""
    spot = bench.lab.pages
    if spot.shape.next is None:
        raise SkippedError("pages are numbered: there is no bookmark")
    spoil, truth = RepeatToken(spot.shape, path=spot.path, method=spot.method), bench.truth
    with bench.connected() as one:
        plan = bench.plan(one)
        one.tape.spoil = spoil
        most = one.tape.most_requests = len(one.tape.requests) + MOST_PAGES
        reading = one.read(plan)
        asked = len(one.tape.requests)
    if asked >= most:
        return failed(did(spoil), f"{MOST_PAGES} pages and no end", "a typed error after a few pages")
    return rows_or_told(did(spoil), truth, reading, gap=False)


@GROUP.check("token-expires", "A bookmark that expires (410) loses no row", "I1 I9")
def token_expires(bench: Bench) -> Outcome:
    """The third page is answered 410, once."""
    spot, truth = bench.lab.pages, bench.truth
    spoil = Status(410, nth=3, path=spot.path, method=spot.method)
    reading = bench.spoiled(spoil)
    return rows_or_told(did(spoil), truth, reading)


@GROUP.check("total", "Fewer rows than the system promised are not passed over", "I9")
def total(bench: Bench) -> Outcome:
    """A row is held back although it was listed or counted."""
    spot = bench.lab.row_spot
    if spot is bench.lab.pages and spot.total is None:
        raise SkippedError("the system makes no promise how many rows a list has")
    kept_back: list[str] = []

    def without_one(row: dict[str, object]) -> dict[str, object] | None:
        key = str(row.get(spot.key))
        if not kept_back:
            kept_back.append(key)
        return None if key in kept_back else row

    truth = bench.truth
    spoil = EditRow(spot.shape, without_one, "held back a row", path=spot.path, method=spot.method)
    reading = bench.spoiled(spoil)
    return rows_or_told(did(spoil), truth, reading)
