"""Lists whose pages misbehave: every row comes once, or the reading says why not."""

from __future__ import annotations

import random

import pytest

from connectors.http.client import Refusal
from connectors.http.listing import MOST_READINGS, Listing
from connectors.http.paging import Page, PageRequest
from contracts.errors import SourcePageFailedError


def rows_of(*keys):
    return [{"id": key} for key in keys]


def listing_of(answers, **request):
    """A listing over a function from a token, or over pages by token."""
    page = answers if callable(answers) else answers.__getitem__
    return Listing(lambda asked: page(asked.token), PageRequest("books", **request), lambda row: row["id"])


def keys(listing):
    return [row["id"] for rows in listing for row in rows]


def test_short_and_empty_pages_lead_on():
    listing = listing_of({None: Page([], "a"), "a": Page(rows_of(1), "b"), "b": Page([], "c"), "c": Page(rows_of(2))})
    assert keys(listing) == [1, 2]
    assert (listing.rows, listing.duplicates, listing.expected, listing.refused) == (2, 0, None, "")


def test_a_row_on_two_pages_comes_once_and_is_counted():
    listing = listing_of({None: Page(rows_of(1, 2), "a", 3), "a": Page(rows_of(2, 3, 3), None, 3)})
    assert keys(listing) == [1, 2, 3]
    assert (listing.duplicates, listing.expected) == (2, 3)


@pytest.mark.parametrize("tokens", [["a", "a"], ["a", "b", "a"], [2, 3, 2]])
def test_a_token_that_repeats(tokens):
    given = iter(tokens)
    listing = listing_of(lambda _token: Page(rows_of(random.random()), next(given)))
    with pytest.raises(SourcePageFailedError, match="twice"):
        keys(listing)


@pytest.mark.parametrize("rows", [[], rows_of(1)])
def test_pages_without_end_and_without_news(rows):
    tokens = iter(range(10_000))
    with pytest.raises(SourcePageFailedError, match="no end"):
        keys(listing_of(lambda _token: Page(rows, f"t{next(tokens)}")))


def test_a_page_that_is_left_out_is_missed():
    listing = listing_of({None: Page(rows_of(1), "b", 3), "b": Page(rows_of(3), None, 3)})
    assert keys(listing) == [1, 3]
    assert listing.expected == 3


def test_a_row_that_goes_while_the_list_is_read_is_no_gap():
    """The total came with the first page only; asked again it is smaller."""
    totals = iter([3, 2])
    listing = listing_of(lambda token: Page(rows_of(1), "a", next(totals)) if token is None else Page(rows_of(2)))
    assert keys(listing) == [1, 2]
    assert listing.expected == 2


def test_rows_that_come_while_the_list_is_read_are_no_gap():
    listing = listing_of({None: Page(rows_of(1), "a", 1), "a": Page(rows_of(2), None, 2)})
    assert keys(listing) == [1, 2]
    assert listing.expected == 2


def refusing(status, at, times=99):
    left = [times]

    def page(token):
        if token == at and left[0]:
            left[0] -= 1
            raise Refusal(status, "no", "GET /books")
        return {None: Page(rows_of(1), "a", 3), "a": Page(rows_of(2), "b", 3), "b": Page(rows_of(3), None, 3)}[token]

    return page


@pytest.mark.parametrize("status", [400, 403, 404])
@pytest.mark.parametrize("at", [None, "a", "b"])
def test_a_refusal_is_said_and_what_came_before_stays(status, at):
    listing = listing_of(refusing(status, at))
    assert keys(listing) == {None: [], "a": [1], "b": [1, 2]}[at]
    assert str(status) in listing.refused
    assert listing.expected == (None if at is None else 3)


def test_an_expired_bookmark_begins_again_without_giving_rows_twice():
    listing = listing_of(refusing(410, "b", times=2))
    assert keys(listing) == [1, 2, 3]
    assert (listing.refused, listing.duplicates, listing.expected) == ("", 0, 3)


def test_bookmarks_that_always_expire_are_an_error():
    with pytest.raises(SourcePageFailedError, match=f"{MOST_READINGS} times"):
        keys(listing_of(refusing(410, "b")))


def test_a_list_that_is_gone_is_a_refusal():
    listing = listing_of(refusing(410, None))
    assert keys(listing) == []
    assert "410" in listing.refused


class Numbered:
    """Numbered pages of three over a list that changes between requests."""

    def __init__(self, count, *changes):
        self.rows, self.changes, self.requests = list(range(count)), list(changes), 0

    def __call__(self, token):
        if self.requests and self.changes:
            self.changes.pop(0)(self.rows)
        self.requests += 1
        start = ((token or 1) - 1) * 3
        more = start + 3 < len(self.rows)
        return Page(rows_of(*self.rows[start : start + 3]), (token or 1) + 1 if more else None)


def test_numbered_pages_shift_and_no_row_slips_past():
    pages = Numbered(10, lambda rows: rows.remove(0))
    assert sorted(keys(listing_of(pages))) == list(range(10)), "the fourth row moved to the page that was read already"


def test_a_removal_that_an_addition_hides_from_the_total():
    pages = Numbered(10, lambda rows: rows.remove(0), lambda rows: rows.append(99))
    assert set(range(10)) <= set(keys(listing_of(pages)))


class Overlapping(Numbered):
    """Pages of four by position, each beginning with the last row of the page before."""

    total = None

    def __call__(self, token):
        if self.requests and self.changes:
            self.changes.pop(0)(self.rows)
        self.requests += 1
        start = token or 0
        more = start + 4 < len(self.rows)
        rows = rows_of(*self.rows[start : start + 4])
        total = len(self.rows) if self.total else None
        return Page(rows, start + 3 if more else None, total, overlaps=token is not None)


def test_overlapping_pages_that_do_not_shift_are_read_once():
    pages = Overlapping(10)
    listing = listing_of(pages)
    assert keys(listing) == list(range(10))
    assert (pages.requests, listing.duplicates) == (3, 0)


@pytest.mark.parametrize(
    "changes",
    [
        [lambda rows: rows.remove(0)],
        [lambda rows: rows.remove(0), lambda rows: rows.append(99)],
        [lambda rows: (rows.remove(0), rows.append(99))],
        [lambda rows: rows.insert(1, 99), lambda rows: rows.remove(2)],
        [lambda rows: rows.clear(), lambda rows: rows.extend(range(10))],
    ],
    ids=["removed", "removed, added", "both at once", "added, removed", "emptied, filled"],
)
def test_overlapping_pages_that_shift_are_read_again(changes):
    pages = Overlapping(10, *changes)
    assert set(range(10)) <= set(keys(listing_of(pages)))


def test_a_removal_and_a_move_that_leave_the_overlap_in_place_change_the_total():
    def change(rows):
        rows.remove(0)
        rows.remove(8)
        rows.insert(0, 8)

    pages = Overlapping(10, change)
    pages.total = True
    assert set(range(10)) <= set(keys(listing_of(pages)))


def test_one_page_is_read_once():
    pages = Numbered(3)
    assert keys(listing_of(pages)) == [0, 1, 2]
    assert pages.requests == 1


def test_numbered_pages_that_never_stand_still():
    pages = Numbered(10, *(lambda rows: rows.append(rows.pop(0) + 100) for _ in range(200)))
    with pytest.raises(SourcePageFailedError, match="keeps changing"):
        keys(listing_of(pages))
