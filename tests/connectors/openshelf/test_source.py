from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import pytest

from contracts.errors import SourceAuthError, SourcePrivilegeError, SourceUnreachableError
from sandbox.openshelf import SandboxOpenshelf, ShelfSite
from tests.conformance.read_slices import plan, rows
from tests.connectors.openshelf.moving import source_of


@pytest.fixture
def shelf():
    with SandboxOpenshelf(ShelfSite(books=150)) as server:
        yield server


@pytest.fixture
def source(shelf):
    made = source_of(shelf)
    yield made
    made.close()


def unit_of(source, name="books"):
    return next(unit for unit in source.list_units(source.collect_catalog("shelf")) if unit.dataset.name == name)


def test_a_wrong_token_is_named_and_not_shown(shelf):
    with closing(source_of(shelf, token=shelf.token + "x")) as source, pytest.raises(SourceAuthError) as caught:
        source.test_connection()
    assert caught.value.next_step
    assert shelf.token not in f"{caught.value} {caught.value.to_json()} {caught.value.__cause__!r}"


def test_a_service_that_is_gone_is_named():
    with SandboxOpenshelf(ShelfSite(books=1)) as gone:
        source = source_of(gone, max_tries=2)
    with closing(source), pytest.raises(SourceUnreachableError) as caught:
        source.test_connection()
    assert caught.value.next_step
    assert gone.token not in f"{caught.value} {caught.value.to_json()} {caught.value.__cause__!r}"


def test_repairs_read_exactly_what_is_missing(shelf, source):
    unit = unit_of(source)
    made = plan(source, unit)
    wanted = sorted(row["id"] for row in shelf.site.rows("books"))[:5]
    pieces = source.repair_slices(made, [{"id": str(key)} for key in wanted], 2)
    assert {piece.key for piece in pieces}.isdisjoint(piece.key for piece in made.slices)
    assert sorted(key for piece in pieces for key in rows(source, made, piece)[0]["id"]) == wanted


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_a_row_that_leaves_its_window_for_one_that_was_read_is_in_the_late_slice(shelf, source, mode):
    made = plan(source, unit_of(source), mode)
    first, *_, last = made.slices
    rows(source, made, last)
    moved = shelf.site.changed("books", None, None)[0][1]
    shelf.site.edit("books", moved, title="moved")
    assert moved not in rows(source, made, first)[0]["id"]
    (late,) = source.late_slices(made, 1)
    assert moved in rows(source, made, late)[0]["id"]


def test_a_plan_costs_few_requests_and_a_quiet_incremental_one_even_fewer(shelf, source):
    unit = unit_of(source)
    shelf.requests.clear()
    made = plan(source, unit)
    assert len(shelf.requests_to("/v1/books")) < 60
    shelf.requests.clear()
    second = plan(source, unit, "incremental", source.checkpoint(made, []))
    assert len(shelf.requests) <= 5
    newest = shelf.site.changed("books", None, None)[-1][0]
    assert second.slices[0].params["since"] == (newest - timedelta(seconds=source.config.overlap_s)).isoformat()


def test_nothing_depends_on_a_clock(shelf, source):
    """The service's clock is ahead of its rows, ours is years ahead of both: the watermark is a row's."""
    shelf.site.pass_time(86_400 * 90)
    checkpoint = source.checkpoint(plan(source, unit_of(source)), [])
    assert checkpoint["watermark"].startswith(shelf.site.changed("books", None, None)[-1][0].isoformat()[:19])


def test_a_token_in_a_refusal_is_not_shown(shelf, source):
    made = plan(source, unit_of(source))
    shelf.faults.refused["/v1/books"] = 403
    _, report = rows(source, made, made.slices[0])
    assert "403" in report.gaps[0]
    assert shelf.token not in report.gaps[0]
    with pytest.raises(SourcePrivilegeError, match="not for you"):
        source.preview(unit_of(source), 1)


def test_duplicates_across_pages_are_dropped_and_counted(shelf, source):
    """A change while the list is read puts a row on a later page once more."""
    unit = unit_of(source, "loans")
    made = plan(source, unit)
    first = shelf.site.changed("loans", None, None)[0][1]

    def change(target):
        if "cursor" in target and shelf.site.changed("loans", None, None)[0][1] == first:
            shelf.site.edit("loans", first, returned=True)

    shelf.on_request = change
    frame, report = rows(source, made, made.slices[0])
    assert frame["id"].is_unique().all()
    assert report.observed["duplicates"] == 1
    assert report.expected_rows == frame.height
