"""Runs of a paged API into Postgres equal the service's truth, whatever the service does meanwhile."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from contracts.errors import CompletenessGapError, SourceAuthError, SourcePageFailedError, SourceValueError
from sandbox.openshelf import SandboxOpenshelf, ShelfFaults, ShelfSite
from tests.connectors.openshelf.moving import UNITS, ShelfIngestion, assert_equal
from tests.exactness.executors import PROVE


@pytest.fixture
def shelf():
    with SandboxOpenshelf(ShelfSite(books=230, authors=120, loans=90)) as server:
        yield server


@pytest.fixture
def mover(shelf, database):
    moving = ShelfIngestion(shelf, database)
    yield moving
    moving.close()


def test_a_full_run_equals_the_truth(shelf, mover):
    for name in UNITS:
        summary = mover.run(name)
        assert summary.rows_inserted == len(shelf.site.rows(name))
    assert_equal(mover)
    raw = {row["id"]: row for row in shelf.site.rows("books")}
    for key, row in mover.rows("books").items():
        assert json.loads(row["raw"], parse_float=Decimal) == raw[int(key)]


def test_a_run_again_changes_nothing(mover):
    mover.run("books")
    again = mover.run("books")
    assert (again.rows_inserted, again.rows_updated, again.rows_deleted) == (0, 0, 0)
    assert again.rows_unchanged == again.rows_staged


@pytest.mark.parametrize("seed", range(4 if PROVE else 2))
def test_incremental_runs_end_as_a_full_one(shelf, mover, seed):
    chance = random.Random(seed)
    for name in UNITS:
        mover.run(name, "incremental")
    for _ in range(5):
        shelf.site.pass_time(chance.choice([1, 400, 90_000]))
        for name in ("books", "loans"):
            for row in chance.sample(shelf.site.rows(name), 7):
                fields = {"title": "edited"} if name == "books" else {"returned": True, "fine": Decimal("0.001")}
                shelf.site.edit(name, row["id"], **fields)
            shelf.site.add(name)
            summary = mover.run(name, "incremental")
            assert summary.rows_staged < len(shelf.site.rows(name))
        assert_equal(mover, "books", "loans")


def test_removed_rows_are_found_by_listing_keys(shelf, mover):
    for name in UNITS:
        mover.run(name)
        for row in shelf.site.rows(name)[3:9]:
            shelf.site.remove(name, row["id"])
        shelf.site.add(name)
        assert mover.run(name).rows_deleted == 6
    assert_equal(mover)


@pytest.mark.parametrize("name", ["books", "loans"])
def test_removed_rows_are_found_whatever_was_read_twice(shelf, mover, name):
    """The newest rows are read twice: as many removed ones must not hide behind them."""
    mover.run(name)
    twice = mover.run(name).rows_staged - len(shelf.site.rows(name))
    assert twice > 0
    for row in shelf.site.rows(name)[:twice]:
        shelf.site.remove(name, row["id"])
    assert mover.run(name).rows_deleted == twice


def test_an_incremental_run_looks_for_removed_rows_once_in_a_while(shelf, mover):
    mover.run("books", "incremental")
    shelf.site.remove("books", shelf.site.rows("books")[0]["id"])
    assert mover.run("books", "incremental").rows_deleted == 0
    assert mover.run("books", "incremental", census_every_s=0).rows_deleted == 1
    assert all("fields" in one.query for one in shelf.requests_to("/v1/books")[-5:])
    assert_equal(mover, "books")


def test_rows_that_the_cursor_hid_are_repaired(shelf, mover):
    """A row that appears with an old moment is in no incremental window; listing keys finds it."""
    mover.run("books", "incremental")
    hidden = shelf.site.add("books")
    shelf.site.edit("books", hidden, moment=next(iter(shelf.site.changed("books", None, None)))[0])
    mover.run("books", "incremental")
    assert str(hidden) not in mover.rows("books")
    mover.run("books", "incremental", census_every_s=0)
    assert_equal(mover, "books")


def test_ties_across_the_ends_of_pages_and_windows(database):
    site = ShelfSite(books=200)
    moment = site.changed("books", None, None)[100][0]
    for row in site.rows("books")[20:140]:
        site.edit("books", row["id"], moment=moment, title="tied")
    with SandboxOpenshelf(site) as shelf:
        mover = ShelfIngestion(shelf, database, page_size=7, slice_rows=10, overlap_s=0)
        assert mover.run("books").rows_staged >= 200
        assert_equal(mover, "books")
        site.edit("books", site.rows("books")[0]["id"], moment=site.changed("books", None, None)[-1][0], title="tie")
        mover.run("books", "incremental")
        assert_equal(mover, "books")
        mover.close()


def test_a_change_that_shows_up_late_lies_in_the_overlap(shelf, mover):
    mover.run("books", "incremental")
    newest = shelf.site.changed("books", None, None)[-1][0]
    late = shelf.site.rows("books")[0]["id"]
    shelf.site.edit("books", late, moment=newest - timedelta(seconds=200), title="late")
    assert mover.run("books", "incremental").rows_updated == 1
    assert_equal(mover, "books")


class Meanwhile:
    """Does something at each request, so many times."""

    def __init__(self, shelf, what, times=40):
        self.what, self.left, self.busy = what, times, False
        shelf.on_request = self

    def __call__(self, target):
        if "books" in target and self.left:
            self.left -= 1
            self.what()


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_rows_that_move_between_windows_while_the_run_goes_on(shelf, mover, mode):
    chance = random.Random(mode)

    def change():
        with shelf.site.lock:
            shelf.site.pass_time(1)
            shelf.site.edit("books", chance.choice(shelf.site.rows("books"))["id"], title="moved")

    before = {str(row["id"]) for row in shelf.site.rows("books")}
    Meanwhile(shelf, change)
    summary = mover.run("books", mode, parallel_slices=1)
    assert summary.slices_planned > 2
    assert mover.rows("books").keys() == before
    mover.run("books", "incremental")
    assert_equal(mover, "books")


def test_numbered_pages_that_shift_while_they_are_read(shelf, mover):
    kept = {row["id"] for row in shelf.site.rows("authors")[5:]}
    left = [row["id"] for row in shelf.site.rows("authors")[:5]]

    def shrink(target):
        if "authors?page=2" in target and left:
            shelf.site.remove("authors", left.pop())

    shelf.on_request = shrink
    mover.run("authors")
    assert {str(key) for key in kept} <= mover.rows("authors").keys()


def test_short_and_empty_pages(shelf, mover):
    shelf.behaviour.short_pages = True
    mover.run("books")
    assert_equal(mover, "books")


def test_an_expired_cursor_begins_the_list_again(shelf, mover):
    shelf.faults.fail_next = [(410, "/v1/loans?limit=20&cursor")] * 3
    mover.run("loans")
    assert_equal(mover, "loans")


@pytest.mark.parametrize("behaviour", [{"cursor_lives": 0}, {"repeat_cursor": True}])
def test_cursors_that_lead_nowhere_fail_the_run_and_not_the_data(shelf, mover, behaviour):
    vars(shelf.behaviour).update(behaviour)
    with pytest.raises(SourcePageFailedError):
        mover.run("loans")
    vars(shelf.behaviour).update({"cursor_lives": None, "repeat_cursor": False})
    mover.run("loans")
    assert_equal(mover, "loans")


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_part_that_is_refused_is_a_gap_and_no_silence(shelf, mover, status):
    mover.run("books", "incremental")
    checkpoint = mover.checkpoints["openshelf.books"]
    shelf.site.pass_time(3600)
    for row in shelf.site.rows("books")[:60]:
        shelf.site.edit("books", row["id"], title="after")
    shelf.on_request = lambda target: "cursor" in target and shelf.faults.refused.update({"/v1/books": status})
    with pytest.raises(CompletenessGapError, match=str(status)):
        mover.run("books", "incremental")
    assert mover.checkpoints["openshelf.books"] == checkpoint
    shelf.on_request = lambda _target: shelf.faults.refused.clear()
    mover.run("books", "incremental")
    assert_equal(mover, "books")


def test_a_gap_that_is_allowed_leaves_the_watermark_where_it_was(shelf, mover):
    shelf.faults.fail_next = [(403, "/v1/loans?limit=20&cursor")]
    summary = mover.run("loans", "incremental", allow_partial=True)
    assert len(summary.gaps) == 2, "what was refused, and the rows that are missing"
    assert summary.checkpoint_after["watermark"] is None
    mover.run("loans", "incremental")
    assert_equal(mover, "loans")


def test_a_login_that_ends_while_the_run_goes_on(shelf, mover):
    asked = [0]

    def end(_target):
        asked[0] += 1
        shelf.expired = asked[0] > 20

    shelf.on_request = end
    with pytest.raises(SourceAuthError):
        mover.run("books")
    asked[0] = -10_000
    shelf.expired = False
    mover.run("books")
    assert_equal(mover, "books")


def test_a_rate_limit_is_kept_and_waited_for(shelf, mover):
    shelf.faults = ShelfFaults(most_per_s=8, retry_after_s=1)
    mover.run("loans")
    assert_equal(mover, "loans")
    refused = [one.began_s for one in shelf.requests if one.status == 429]
    assert refused
    for moment in refused[-3:]:
        later = [one.began_s for one in shelf.requests if one.began_s > moment + 0.2]
        assert not later or min(later) - moment > 0.8, "somebody asked during the pause"


def test_a_bad_day(shelf, mover):
    shelf.faults = ShelfFaults(seed=3, throttled=0.1, failing=0.1, cut=0.1, corrupt=0.1)
    for name in UNITS:
        mover.run(name)
    assert_equal(mover)


def test_a_run_that_ends_anywhere_goes_on(shelf, database):
    """The service goes away after a request more each time (three more in the short form), and changes in between."""
    mover, allowed, asked, failed = ShelfIngestion(shelf, database, max_tries=1), 20, [0], 0

    def end(_target):
        asked[0] += 1
        shelf.faults.failing = float(asked[0] > allowed)

    shelf.on_request = end
    while True:
        try:
            mover.run("books", "incremental")
            break
        except SourcePageFailedError:
            failed, allowed, asked[0] = failed + 1, allowed + (1 if PROVE else 3), 0
            shelf.faults.failing = 0.0
            shelf.site.edit("books", shelf.site.rows("books")[failed]["id"], title=f"before try {failed}")
            shelf.site.remove("books", shelf.site.rows("books")[-failed]["id"])
    assert failed > 3
    shelf.on_request = lambda _target: None
    mover.run("books", "incremental", census_every_s=0)
    assert_equal(mover, "books")
    mover.close()


@pytest.mark.parametrize(
    ("field", "value"), [("price", Decimal("1.005")), ("pages", 2**40), ("lendable", "yes"), ("published_on", "soon")]
)
def test_a_value_without_a_faithful_reading_ends_the_run(shelf, mover, field, value):
    shelf.site.edit("books", shelf.site.rows("books")[50]["id"], **{field: value})
    with pytest.raises(SourceValueError, match=field):
        mover.run("books")


def test_awkward_text(shelf, mover):
    key = shelf.site.rows("books")[7]["id"]
    shelf.site.edit("books", key, title="NUL \0 and \\ and \t and 😀", summary="x" * 2_000_000, tags=[{"name": "\0"}])
    mover.run("books")
    row = mover.rows("books")[str(key)]
    assert row["title"] == "NUL \ufffd and \\ and \t and 😀"
    assert len(row["summary"]) == 2_000_000
    assert json.loads(row["raw"])["title"] == "NUL \0 and \\ and \t and 😀"


def test_a_date_in_the_far_future_does_not_stop_later_runs(shelf, mover):
    key = shelf.site.rows("books")[7]["id"]
    shelf.site.edit("books", key, moment=datetime(9998, 12, 31, tzinfo=UTC), title="from the future")
    mover.run("books", "incremental")
    shelf.site.pass_time(3600)
    shelf.site.edit("books", shelf.site.rows("books")[3]["id"], title="from today")
    mover.run("books", "incremental")
    assert_equal(mover, "books")


def test_an_empty_service(database):
    with SandboxOpenshelf(ShelfSite(books=0, authors=0, loans=0)) as shelf:
        mover = ShelfIngestion(shelf, database)
        for name in UNITS:
            assert mover.run(name, "incremental").rows_staged == 0
        shelf.site.add("books")
        assert mover.run("books", "incremental").rows_inserted == 1
        assert_equal(mover)
        mover.close()
