from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from contracts.errors import SourcePrivilegeError
from sandbox.openshelf import SandboxOpenshelf, ShelfFaults, ShelfSite
from tests.conformance.api_source_suite import ApiSourceSuite, plan, rows
from tests.connectors.openshelf.moving import source_of

if TYPE_CHECKING:
    from connectors.openshelf.source import OpenshelfSource


class Lab:
    """A small service."""

    unit_id = "openshelf.books"

    def __init__(self, server: SandboxOpenshelf) -> None:
        self.server, self.site, self.secret = server, server.site, server.token

    def source(self) -> OpenshelfSource:
        return source_of(self.server)

    def broken_sources(self):
        yield "E_SOURCE_AUTH", source_of(self.server, token=self.secret + "x")
        with SandboxOpenshelf(ShelfSite(books=1)) as gone:
            url = gone.url
        yield "E_SOURCE_UNREACHABLE", source_of(self.server, base_url=url, max_tries=2)

    def keys(self) -> set[str]:
        return {str(row["id"]) for row in self.site.rows("books")}

    def change(self, count: int) -> set[str]:
        self.site.pass_time(3600)
        changed = [row["id"] for row in self.site.rows("books")[:count]]
        for key in changed:
            self.site.edit("books", key, title="changed")
        return {str(key) for key in changed}

    def remove(self) -> str:
        key = self.site.rows("books")[4]["id"]
        self.site.remove("books", key)
        return str(key)

    def expire(self) -> None:
        self.server.expired = True

    def spoil(self, share: float) -> None:
        part = share / 4
        self.server.faults = ShelfFaults(seed=5, throttled=part, failing=part, cut=part, corrupt=part)


class TestOpenshelfSource(ApiSourceSuite):
    @pytest.fixture
    def lab(self):
        with SandboxOpenshelf(ShelfSite(books=150, authors=70, loans=30)) as server:
            yield Lab(server)


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
    assert len(shelf.asked("/v1/books")) < 60
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
