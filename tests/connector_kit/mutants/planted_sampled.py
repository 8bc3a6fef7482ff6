"""Bugs of kinds that were not in the list before, sampled from the bug reports of public connectors.

``docs/sampled-bugs.md`` names the report of each, and the reports whose kind an older planted bug has already.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from connectors.http.json_api import JsonApi
from connectors.http.listing import Listing
from connectors.http.lists import UnitLists
from connectors.openshelf.client import OpenshelfClient
from connectors.openshelf.source import OpenshelfSource
from tests.connector_kit.mutants.planted_faults import _by_server_clock
from tests.connector_kit.mutants.planting import Mutant, answering, around, asking, reading_values, shifted
from tests.connector_kit.systems.folders import DocumentsTestSystem
from tests.connectors.openshelf.list_systems import LoansTestSystem

SECOND = timedelta(seconds=1)


def _moment(row):
    return datetime.fromisoformat(row["updated_at"]).astimezone(UTC)


def _whole(row):
    return isinstance(row, dict) and row.get("updated_at") is not None


def _rows_where(keep):
    """Rows are left out by ``keep(ask, row)``, and the total is not looked at."""

    def change(ask, page):
        rows = [row for row in page.rows if ask.keys_only or not _whole(row) or keep(ask, row)]
        return replace(page, rows=rows, total=None)

    return answering(change)


def _preview_moves_on(patch):
    """Where a preview stopped, the next reading begins: the place in the list is kept by the client."""
    left = {}

    def preview(original, self, unit, limit, where=()):
        left["looking"] = True
        try:
            return original(self, unit, limit, where)
        finally:
            del left["looking"]

    def export(original, self, plan, piece, view=None):
        left["begin"] = left.pop("next", None)
        return (yield from original(self, plan, piece, view))

    def loans(original, self, ask):
        if "looking" in left:
            page = original(self, ask)
            left["next"] = page.next
            return page
        return replace(original(self, replace(ask, token=ask.token or left.pop("begin", None))), total=None)

    around(OpenshelfSource, "preview", preview)(patch)
    around(OpenshelfSource, "export", export)(patch)
    around(OpenshelfClient, "loans", loans)(patch)


def _not_before_as_text(ask, row):
    """``…:30.123Z`` comes before ``…:30Z`` in the alphabet, and after it in time."""
    mark = ask.since and ask.since.strftime("%Y-%m-%dT%H:%M:%SZ")
    return mark is None or f"{_moment(row):%Y-%m-%dT%H:%M:%S.%fZ}" >= mark


def _until_midnight(patch):
    """The last window ends at the beginning of the service's day."""
    around(JsonApi, "_look_at", _by_server_clock)(patch)

    def books(original, self, ask):
        today = self.clock.replace(hour=0, minute=0, second=0)
        return original(self, replace(ask, before=min(ask.before or today, today)))

    around(OpenshelfClient, "books", books)(patch)


def _on_from_last_moment(original, self, ask):
    """The next page is asked for by the moment of the last row; one that is all of one moment ends the list."""
    if ask.keys_only:
        return original(self, ask)
    since = datetime.fromisoformat(ask.token) if ask.token else ask.since
    page = original(self, replace(ask, since=since, token=None))
    last = _moment(page.rows[-1]) if page.rows else since
    return replace(page, next=last.isoformat() if page.next and last != since else None, total=None)


def _later_pages_from_now(original, self, ask):
    """Each request begins at a moment: the first at the window's, the others at this one."""
    ask = replace(ask, token=None, since=datetime.now(UTC)) if ask.token and not ask.keys_only else ask
    return replace(original(self, ask), total=None)


def _until_an_older_one(patch):
    """A slice is read without a bound; newest rows are expected first, so that an older one means the end."""
    reading = []

    def export(original, self, plan, piece, view=None):
        reading[:] = [piece] if plan.mode == "incremental" else []
        return (yield from original(self, plan, piece, view))

    def books(original, self, ask):
        if not reading or ask.since is None:
            return original(self, ask)
        page = original(self, replace(ask, since=None))
        older = next((place for place, row in enumerate(page.rows) if _moment(row) < ask.since), None)
        return replace(page, rows=page.rows[:older], next=page.next if older is None else None, total=None)

    around(OpenshelfSource, "export", export)(patch)
    around(OpenshelfClient, "books", books)(patch)


def _one_row_a_moment(patch):
    """Rows are told apart by less than their key."""

    def init(original, self, page, request, key_of):
        original(self, page, request, lambda row: _moment(row) if _whole(row) else key_of(row))

    around(Listing, "__init__", init)(patch)
    answering(lambda ask, page: replace(page, total=None))(patch)


def _made_before(patch):
    """What changed is found by the moment when a row was made."""
    made = {}
    _rows_where(lambda ask, row: made.setdefault(row["id"], _moment(row)) >= (ask.since or made[row["id"]]))(patch)


def _largest_key_kept(patch):
    """Windows are read by key; where one ended, the next begins."""
    largest = {}

    def fresh(original, self, rows, reading_of):
        window = self._request.since, self._request.before
        if window[0] is None:
            largest.clear()
        floor = max((key for other, key in largest.items() if other != window), default=0)
        kept = [row for row in rows if row["id"] > floor]
        largest[window] = max([largest.get(window, 0), *(row["id"] for row in kept)])
        return original(self, kept, reading_of)

    around(Listing, "_fresh", fresh)(patch)
    answering(lambda ask, page: replace(page, total=None))(patch)


def _false_is_nothing(original, self, row, cell):
    found = original(self, row, cell)
    return found if isinstance(found, str) else found or None


def _fractions_only(original, self, row, cell):
    found = original(self, row, cell)
    return None if isinstance(found, datetime) and "." not in row["updated_at"] else found


def _incrementally(change):
    """Something else is made of pages that an incremental run reads."""

    def plant(patch):
        runs = []

        def export(original, self, plan, piece, view=None):
            runs[:] = [plan.mode]
            return (yield from original(self, plan, piece, view))

        def books(ask, page):
            return change(page) if runs == ["incremental"] and ask.since and not ask.keys_only else page

        around(OpenshelfSource, "export", export)(patch)
        answering(books)(patch)

    return plant


def _not_of_one_kind(page):
    return replace(page, rows=[row for row in page.rows if row["id"] % 3], total=None)


def _without_publisher(page):
    return replace(page, rows=[{**row, "publisher": None} for row in page.rows])


def _retained(ask):
    """The API keeps changes for thirty days; a watermark that is older is moved there."""
    return replace(ask, since=ask.since and max(ask.since, datetime.now(UTC) - timedelta(days=30)))


def _counted_by_asked_size(patch):
    """The total is divided by the page size that was asked for; the service gives fewer rows to a page."""
    read = {}

    def change(ask, page):
        window = ask.since, ask.before, ask.keys_only
        read[window] = read[window] + 1 if ask.token else 1
        last = read[window] * ask.limit * 5 >= (page.total or 0)
        return replace(page, next=None if last else page.next, total=None)

    answering(change)(patch)


def _parents_remembered(patch):
    known = []

    def parents(original, self):
        if not known:
            known.extend(original(self))
        yield from known

    around(UnitLists, "parents", parents)(patch)


MUTANTS = (
    Mutant("only the first page is read", "plan.covering", answering(lambda ask, page: replace(page, next=None, total=None))),
    Mutant("only the first page of parents is read", "plan.covering", around(UnitLists, "parents", lambda original, self: islice(original(self), 2)), DocumentsTestSystem),
    Mutant("later pages are asked for as of now", "plan.covering", around(OpenshelfClient, "books", _later_pages_from_now)),
    Mutant("pages go on from the last row's moment", "plan.covering", around(OpenshelfClient, "books", _on_from_last_moment)),
    Mutant("the last window ends at midnight", "incremental.equals-full", _until_midnight),
    Mutant("rows of one moment are taken for one row", "plan.covering", _one_row_a_moment),
    Mutant("windows end a second early", "incremental.edges", asking(lambda ask: shifted(ask, before=-SECOND))),
    Mutant("moments are compared as texts", "incremental.at-watermark", _rows_where(_not_before_as_text)),
    Mutant("reading stops at the first row that is older", "incremental.equals-full", _until_an_older_one),
    Mutant("changes are found by the moment of creation", "incremental.equals-full", _made_before),
    Mutant("a window begins behind the largest key of the one before", "incremental.equals-full", _largest_key_kept),
    Mutant("a preview takes rows from the next run", "capabilities.preview", _preview_moves_on, LoansTestSystem),
    Mutant("rows without a moment of change are left out", "rows.null-moment", answering(lambda ask, page: replace(page, rows=[row for row in page.rows if ask.keys_only or _whole(row)], total=None))),
    Mutant("zero and false become null", "rows.zero", reading_values(_false_is_nothing)),
    Mutant("a moment without a fraction becomes null", "clock.zones", reading_values(_fractions_only)),
    Mutant("an old watermark is moved to thirty days ago", "incremental.equals-full", asking(_retained)),
    Mutant("an incremental run lists less than a full one", "incremental.equals-full", _incrementally(_not_of_one_kind)),
    Mutant("an incremental run knows fewer fields than a full one", "incremental.equals-full", _incrementally(_without_publisher)),
    Mutant("pages are counted by the size that was asked for", "plan.covering", _counted_by_asked_size),
    Mutant("the list of parents is remembered", "incremental.part-appears", _parents_remembered, DocumentsTestSystem),
)  # fmt: skip
