"""Bugs that an earlier kit did not find, and more of their kinds.

State that is saved in local time, pages that shift under a reader, sessions that end in an empty answer, fields that are renamed, cut or
filled with a default. They were thought of, not sampled from the bug reports of public connectors.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.http import listing, paged, progress, values
from connectors.http.client import Refusal
from connectors.http.listing import Listing
from connectors.http.paging import Account, Page
from connectors.http.rows import RowReader
from connectors.openshelf.client import OpenshelfClient
from connectors.openshelf.source import OpenshelfSource
from contracts.errors import SourceAuthError, SourceValueError
from tests.connector_kit.mutants.planted_values import _column
from tests.connector_kit.mutants.planting import Mutant, answering, around, asking, put, reading_values, shifted
from tests.connectors.openshelf.list_systems import AuthorsTestSystem, LoansTestSystem


def _valued(name, change):
    """What is made of a value of one column."""

    def value(original, self, row, cell):
        found = original(self, row, cell)
        return change(found, row) if cell.column.name == name else found

    return reading_values(value)


def _naive_local(ask):
    """The bound is written as the local time of this machine, and read as UTC by the service."""
    return replace(ask, since=ask.since and ask.since.astimezone().replace(tzinfo=UTC))


def _local_watermark(original, after, before, receipts):
    made = original(after, before, receipts)
    moment = datetime.fromisoformat(made["watermark"])
    return {**made, "watermark": moment.astimezone().replace(tzinfo=None).isoformat() + "Z"}


def _account_kept(patch):
    known = {}
    around(OpenshelfClient, "me", lambda original, self: known.get(0) or known.setdefault(0, original(self)))(patch)


def _account_kept_by_source(original, self):
    if not hasattr(self, "_known"):
        self._known = original(self)
    return self._known


def _never_proven_again(patch):
    """The login is proven when a plan is made, and no more; totals are not looked at."""
    _account_kept(patch)
    answering(lambda ask, page: replace(page, total=None))(patch)


def _unproven(patch):
    """401 of the account means somebody, because an administrator may hide that address."""

    def me(original, self):
        try:
            return original(self)
        except SourceAuthError:
            return Account("somebody", "1")

    around(OpenshelfClient, "me", me)(patch)
    answering(lambda ask, page: replace(page, total=None))(patch)


def _tokens_in_the_plan(patch):
    """A plan holds the bookmark of each slice's second page; one that is refused is the end."""
    made_by = {}

    def plan(original, self, request):
        made, slices = original(self, request), []
        for piece in made.slices:
            bounds = {
                name: datetime.fromisoformat(piece.params[name]) for name in ("since", "before") if name in piece.params
            }
            page = self.client.books(paged.PageRequest("books", limit=self.config.page_size, **bounds))
            slices.append(piece.model_copy(update={"params": {**piece.params, "second": page.next}}))
        return made.model_copy(update={"slices": tuple(slices)})

    def export(original, self, plan, piece, view=None):
        made_by[self.client] = piece.params.get("second")
        return (yield from original(self, plan, piece, view))

    def books(original, self, ask):
        try:
            return original(
                self, replace(ask, token=made_by.get(self) or ask.token) if ask.token and not ask.keys_only else ask
            )
        except Refusal as refusal:
            if refusal.status == 410:
                return Page([])
            raise
        finally:
            made_by.pop(self, None) if ask.token else None

    around(OpenshelfSource, "plan", plan)(patch)
    around(OpenshelfSource, "export", export)(patch)
    around(OpenshelfClient, "books", books)(patch)
    answering(lambda ask, page: replace(page, total=None))(patch)


def _bookmark_file(patch):
    """Where a list was left is kept beside the program, and believed by the next process."""
    kept = {}

    def books(original, self, ask):
        window = ask.since, ask.before, ask.limit, ask.keys_only
        token = ask.token or kept.get(window)
        try:
            page = original(self, replace(ask, token=token))
        except Refusal:
            return Page([])
        kept[window] = page.next or kept.get(window)
        return replace(page, total=None)

    around(OpenshelfClient, "books", books)(patch)


def _as_bookmarks(patch):
    """Page numbers are handed on as if they were the server's own bookmarks."""

    def authors(original, self, ask):
        page = original(self, replace(ask, token=int(ask.token) if ask.token else None))
        return replace(page, next=None if page.next is None else str(page.next))

    around(OpenshelfClient, "authors", authors)(patch)


def _narrow_keys(ask, page):
    """The list of keys leaves out what is not lendable, as a default filter of the API's does."""
    return replace(page, rows=[row for row in page.rows if row["id"] % 9], total=None) if ask.keys_only else page


def with_versions(change):
    """Books are listed by key and moment of their last change; something is made of these rows."""

    def listed(original, self, ask):
        page = original(self, replace(ask, keys_only=False))
        return replace(page, rows=[*map(change, page.rows)]) if ask.keys_only else page

    def plant(patch):
        books, *others = OpenshelfSource.units
        put(OpenshelfSource, "units", (replace(books, versions=("updated_at",)), *others))(patch)
        around(OpenshelfClient, "books", listed)(patch)

    return plant


def _kept_keys(keep):
    def keys(original, self, plan, view=None):
        yield from (frame.filter(keep(frame)) for frame in original(self, plan, view))

    return around(OpenshelfSource, "export_keys", keys)


def _answered(change):
    """Something else is made of a row as it came."""
    return answering(
        lambda ask, page: replace(page, rows=[change(row) if isinstance(row, dict) else row for row in page.rows])
    )


def _rows_where(keep):
    """Rows are left out, and the total is not looked at."""
    return answering(
        lambda ask, page: replace(
            page, rows=[row for row in page.rows if not isinstance(row, dict) or keep(row)], total=None
        )
    )


def _of_authors(change):
    return around(OpenshelfClient, "authors", change)


def _last_page_lost(original, self, ask):
    page = original(self, ask)
    return replace(page, next=None) if page.next == 3 else page


def _second_reading_spared(patch):
    put(listing, "MOST_READINGS", 1)(patch)

    def follow(original, self, token):
        original(self, token)
        self.shifts = False

    around(listing._ListingPass, "follow", follow)(patch)
    around(listing._ListingPass, "rows_after_overlap", lambda original, self, page, key_of: page.rows)(patch)


def _only_first(count):
    return answering(
        lambda ask, page: replace(page, rows=page.rows[:count] if not ask.keys_only else page.rows, total=None)
    )


def _half_second(value):
    return values._moment(value).replace(microsecond=0)


def _watermark(change):
    def fold(original, after, before, receipts):
        made = original(after, before, receipts)
        return {**made, "watermark": change(datetime.fromisoformat(made["watermark"]), before).isoformat()}

    return around(paged, "checkpoint_from_receipts", fold)


def _refused_is_empty(status):
    def books(original, self, ask):
        try:
            return original(self, ask)
        except Refusal as refusal:
            if refusal.status == status:
                return Page([], None, 0)
            raise

    return around(OpenshelfClient, "books", books)


def _no_late(patch):
    put(paged, "late", lambda *_: ())(patch)


def _cut_off(original, self):
    """A list ends after so many rows, as an offset limit of an API's makes it end."""
    given = 0
    for page in original(self):
        given += len(page)
        yield page
        if given >= 30:
            self._totals.clear()
            return


def _skip_bad_rows(original, self, given):
    good = []
    for row in given:
        try:
            original(self, [row])
        except SourceValueError:
            continue
        good.append(row)
    return original(self, good)


def _bad_rows_left_out(patch):
    around(RowReader, "frame", _skip_bad_rows)(patch)
    answering(lambda ask, page: replace(page, total=None))(patch)


def _key_made_up(patch):
    def value(original, self, row, cell):
        return -1 if cell.column.name == "id" and row.get("id") is None else original(self, row, cell)

    reading_values(value)(patch)
    answering(lambda ask, page: replace(page, total=None))(patch)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)

MISSED = (
    Mutant("a bound is this machine's time, written as UTC", "clock.our-zone-later", asking(_naive_local)),
    Mutant("the watermark is this machine's time", "clock.our-zone-later", around(paged, "checkpoint_from_receipts", _local_watermark)),
    Mutant("a null that nobody placed becomes zero", "rows.nulls", _valued("pages", lambda value, _row: value or 0)),
    Mutant("a null that nobody placed becomes false", "rows.nulls", _valued("lendable", lambda value, _row: bool(value))),
    Mutant("a null that nobody placed becomes a text", "rows.nulls", _valued("summary", lambda value, _row: str(value))),
    Mutant("a null object is an untyped error", "rows.nulls", _answered(lambda row: {**row, "publisher": {**row["publisher"]}})),
    Mutant("a null date is the first day there is", "rows.nulls", _valued("published_on", lambda value, _row: value or datetime(1970, 1, 1, tzinfo=UTC).date())),
    Mutant("listed versions are not those of the rows", "incremental.key-versions", with_versions(lambda row: {**row, "updated_at": row["updated_at"][:19] + "Z"})),
    Mutant("keys are fewer than the rows", "incremental.keys", answering(_narrow_keys)),
    Mutant("keys of a page are listed once in a while", "incremental.keys", _kept_keys(lambda frame: frame["id"] % 7 != 0)),
    Mutant("a body is cut at a length", "rows.long-texts", _valued("summary", lambda value, _row: value and value[:32_767])),
    Mutant("a title is cut at a length", "rows.long-texts", _valued("title", lambda value, _row: value and value[:255])),
    Mutant("an account is remembered by the process", "errors.login-again", _account_kept),
    Mutant("an account is remembered by the client", "errors.login-again", around(OpenshelfClient, "me", _account_kept_by_source)),
    Mutant("a connection is good when it answers", "errors.login-again", _unproven),
    Mutant("a login lapses into nothing, and was proven before", "errors.login-lapses", _never_proven_again),
    Mutant("a login lapses into nothing, and nobody asks whose it is", "errors.login-lapses", _unproven),
    Mutant("a field is mapped to the column of another", "rows.true", _column("title", at="/summary")),
    Mutant("a number is mapped to the column of another", "rows.true", _column("author_id", at="/id")),
    Mutant("a name is another object's", "rows.true", _column("publisher", at="/title")),
    Mutant("a moment is another field's", "rows.true", _valued("updated_at", lambda value, _row: value and value + HOUR)),
    Mutant("a bookmark is kept in the plan", "resume.stale-tokens", _tokens_in_the_plan),
    Mutant("a bookmark is kept beside the program", "resume.stale-tokens", _bookmark_file),
    Mutant("page numbers are taken for bookmarks", "incremental.removed-meanwhile", _as_bookmarks, AuthorsTestSystem),
    Mutant("pages that shift are read once", "incremental.removed-meanwhile", _second_reading_spared, AuthorsTestSystem),
)  # fmt: skip
"""One for each point of the list of misses, or more."""

REPORTED = (
    Mutant("seconds are cut off moments", "incremental.at-watermark", around(progress.PagedCheckpoint, "since", lambda original, self, overlap_s: self.watermark and self.watermark.replace(microsecond=0) + timedelta(seconds=1))),
    Mutant("the day of the watermark is left out", "incremental.at-watermark", asking(lambda ask: shifted(ask, since=DAY))),
    Mutant("only rows of the first page change", "incremental.equals-full", asking(lambda ask: replace(ask, since=ask.since and max(ask.since, datetime(2300, 1, 1, tzinfo=UTC))))),
    Mutant("the watermark is the day's end", "incremental.overlap", _watermark(lambda moment, _before: moment + DAY)),
    Mutant("the watermark is never moved back by a gap", "state.gap-holds", _watermark(lambda moment, before: max(moment, datetime.now(UTC)))),
    Mutant("a gap is no reason to wait", "state.missing-holds", around(paged, "checkpoint_from_receipts", lambda original, after, before, receipts: after)),
    Mutant("400 is an empty list", "errors.staying-400", _refused_is_empty(400)),
    Mutant("403 is an empty list with a total of none", "errors.staying-403", _refused_is_empty(403)),
    Mutant("404 is an empty list with a total of none", "errors.staying-404", _refused_is_empty(404)),
    Mutant("rows that cannot be read are left out", "schema.other-type", _bad_rows_left_out),
    Mutant("a missing key is made up", "schema.no-key", _key_made_up),
    Mutant("the list ends at an API's largest offset", "plan.covering", around(Listing, "__iter__", _cut_off), LoansTestSystem),
    Mutant("the last numbered page is not asked for", "plan.covering", _of_authors(_last_page_lost), AuthorsTestSystem),
    Mutant("a page is cut at ten rows", "pages.every-row", _only_first(10)),
    Mutant("archived rows are left out", "rows.true", _rows_where(lambda row: row["id"] % 11)),
    Mutant("numbers above 2^31 wrap around", "rows.integers", _valued("author_id", lambda value, _row: value and (value + 2**31) % 2**32 - 2**31)),
    Mutant("decimals are whole", "rows.decimals", _valued("price", lambda value, _row: value and round(value, 0))),
    Mutant("text is trimmed at the end", "rows.unicode", _valued("title", lambda value, _row: value and value.rstrip())),
    Mutant("HTML is unescaped", "rows.unicode", _valued("title", lambda value, _row: value and value.replace("\\", ""))),
    Mutant("an empty text is a dash", "rows.empty", _valued("title", lambda value, _row: "-" if value == "" else value)),
    Mutant("null is the text None", "rows.null", _valued("title", lambda value, _row: str(value))),
    Mutant("what is absent is an empty text", "rows.absent", _valued("title", lambda value, row: value if "title" in row else "")),
    Mutant("late slices are forgotten", "incremental.moved", _no_late),
    Mutant("the overlap is negative", "incremental.overlap", around(progress.PagedCheckpoint, "since", lambda original, self, overlap_s: self.watermark and self.watermark + timedelta(seconds=1))),
)  # fmt: skip

MUTANTS = (*MISSED, *REPORTED)
