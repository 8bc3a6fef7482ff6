"""Bugs of lists, plans, increments and checkpoints."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from connectors.http import listing, paged, progress, reading, windows
from connectors.http.client import Refusal
from connectors.http.listing import Listing
from connectors.openshelf.client import OpenshelfClient
from connectors.openshelf.source import OpenshelfSource
from contracts.errors import SourceUnreachableError
from contracts.plan import SliceReport
from tests.connector_kit.mutants.planting import Mutant, answering, around, asking, put, shifted
from tests.connectors.openshelf.list_systems import LoansTestSystem

DAY, MOMENT = timedelta(days=1), timedelta(milliseconds=1)


def _page_skipped(original, self, ask):
    page = original(self, ask)
    return original(self, replace(ask, token=page.next)) if ask.token and page.next else page


def _ties_dropped():
    last = {}

    def change(ask, page):
        before = last.get("moment") if ask.token else None
        last["moment"] = page.rows[-1]["updated_at"][:23] if page.rows else before
        return replace(page, rows=[row for row in page.rows if row.get("updated_at", "")[:23] != before])

    return answering(change)


def _sorted_only(ask, page):
    rows, newest = [], datetime.min.replace(tzinfo=UTC)
    for row in page.rows:
        moment = datetime.fromisoformat(row["updated_at"]) if "updated_at" in row else newest
        if moment >= newest:
            rows.append(row)
            newest = moment
    return replace(page, rows=rows)


def _gathered(original, self):
    frames, reader = [], original(self)
    try:
        while True:
            frames.append(next(reader))
    except StopIteration as end:
        yield from frames
        return end.value


def _kept(original, self):
    held, reader = [], original(self)
    try:
        while True:
            held.append(next(reader))
            yield held[-1]
    except StopIteration as end:
        return end.value


def _no_batch(original, self):
    reader = original(self)
    try:
        while True:
            frame = next(reader)
            if frame.height:
                yield frame
    except StopIteration as end:
        return end.value


def _with_memory(patch):
    seen = set()

    def init(original, self, *args, **named):
        original(self, *args, **named)
        self._seen = seen

    around(Listing, "__init__", init)(patch)


def _every_row(original, self, rows, reading_of):
    original(self, rows, reading_of)
    self.rows = len(rows) + getattr(self, "_given", 0)
    self._given = self.rows
    return list(rows)


def _stop_at_410(patch):
    def once(original, self, reading_of):
        try:
            yield from original(self, reading_of)
        except Refusal as refusal:
            if refusal.status != 410:
                raise

    around(Listing, "_once", once)(patch)
    answering(lambda ask, page: replace(page, total=None))(patch)


def _left_behind(patch):
    """The bookmark of a slice outlives its reading."""
    left = {}

    def once(original, self, reading_of):
        reading_of.token = left.pop((self._ask.since, self._ask.before), None)
        try:
            yield from original(self, reading_of)
        except (GeneratorExit, SourceUnreachableError):
            left[self._ask.since, self._ask.before] = reading_of.token
            raise

    around(Listing, "_once", once)(patch)
    answering(lambda ask, page: replace(page, total=None))(patch)


def _last_only(original, self, ask):
    page = original(self, ask)
    return (
        page
        if ask.token or not page.next
        else replace(page, rows=page.rows or [], next=page.next if page.rows else None, total=None)
    )


def _planned_in_memory(patch):
    def plan(original, self, request):
        made = original(self, request)
        self.known = {piece.key for piece in made.slices}
        return made

    def export(original, self, plan, piece, view=None):
        reader = original(self, plan, piece, view)
        if piece.key in getattr(self, "known", ()):
            return (yield from reader)
        yield next(reader).clear()
        return SliceReport()

    around(OpenshelfSource, "plan", plan)(patch)
    around(OpenshelfSource, "export", export)(patch)


def _stamped(original, probe, request, settings, now):
    plan = original(probe, request, settings, now)
    pieces = [piece.model_copy(update={"params": {**piece.params, "asked": now.isoformat()}}) for piece in plan.slices]
    return plan.model_copy(update={"slices": tuple(pieces)})


def _until_now(original, after, before, receipts):
    return {**after, "watermark": datetime.now(UTC).isoformat()}


def _planned_mark(original, after, before, receipts):
    return after


def _gaps_only(original, after, before, receipts):
    return original(after, before, [one.model_copy(update={"expected_rows": None}) for one in receipts])


def _from_now(patch):
    original = progress.PagedCheckpoint.read

    def read(cls, checkpoint, scope):
        try:
            return original(checkpoint, scope)
        except Exception:
            return original({"watermark": datetime.now(UTC).isoformat(), "scope": scope}, scope)

    patch.setattr(progress.PagedCheckpoint, "read", classmethod(read))


def _for_ever(patch):
    patch.setattr(listing, "MOST_IDLE_PAGES", 10**9)
    around(listing._ListingPass, "follow", lambda original, self, token: setattr(self, "token", token))(patch)


def _once(original, self, base_url, settings, *args, **named):
    original(self, base_url, settings.model_copy(update={"max_tries": 1}), *args, **named)


def _overlapping(ask):
    return shifted(ask, before=5 * DAY)


def _nothing_next_time(patch):
    def plan(original, probe, request, settings, now):
        made = original(probe, request, settings, now)
        return made.model_copy(update={"slices": made.slices[: None if request.checkpoint is None else 0]})

    around(paged, "make_plan", plan)(patch)
    put(paged, "late", lambda *_: ())(patch)


def _a_day_back(original, after, before, receipts):
    made = original(after, before, receipts)
    earlier = datetime.fromisoformat(made["watermark"]) - DAY * (1 if before is None else 30)
    return {**made, "watermark": earlier.isoformat()}


def _as_of_the_last(original, after, before, receipts):
    return original(after, before, receipts[-1:])


def _keys_as_they_were(original, self, plan, view=None):
    if not hasattr(self, "listed"):
        self.listed = list(original(self, plan, view))
    yield from self.listed


def _keys_without_one(original, self, plan, view=None):
    yield from (frame[1:] for frame in original(self, plan, view))


MUTANTS = (
    Mutant("one page is skipped", "pages.every-row", around(OpenshelfClient, "books", _page_skipped)),
    Mutant("a tie at the end of a page is lost", "pages.every-row", _ties_dropped()),
    Mutant("rows have to be in order", "pages.reordered", answering(_sorted_only)),
    Mutant("a short page is the last one", "pages.short", answering(lambda ask, page: replace(page, next=page.next if len(page.rows) >= ask.limit else None, total=None))),
    Mutant("an empty page is the last one", "pages.empty", answering(lambda ask, page: replace(page, next=page.next if page.rows else None, total=None))),
    Mutant("duplicates are handed on", "pages.duplicate", around(Listing, "_fresh", _every_row)),
    Mutant("a bookmark's circle is followed for ever", "pages.token-repeats", _for_ever),
    Mutant("an expired bookmark is the end", "pages.token-expires", _stop_at_410),
    Mutant("the total is ignored", "pages.total", answering(lambda ask, page: replace(page, total=None))),
    Mutant("slices overlap", "plan.disjoint", asking(_overlapping)),
    Mutant("slices leave a hole", "plan.covering", asking(lambda ask: shifted(ask, before=-5 * DAY))),
    Mutant("the first row of a window is left out", "plan.covering", asking(lambda ask: shifted(ask, since=4 * DAY))),
    Mutant("a plan holds the time of day", "plan.deterministic", around(paged, "make_plan", _stamped)),
    Mutant("selections are ignored", "plan.selection", put(paged, "reject_selection", lambda unit, policy: None)),
    Mutant("a source forgets slices that another one planned", "plan.frozen", _planned_in_memory),
    Mutant("the filter is ignored", "incremental.reads-less", asking(lambda ask: replace(ask, since=None, before=None))),
    Mutant("incremental runs read what is after the watermark, not at it", "incremental.at-watermark", asking(lambda ask: shifted(ask, since=MOMENT))),
    Mutant("the overlap is dropped", "incremental.overlap", put(progress.PagedCheckpoint, "since", lambda self, overlap_s: self.watermark)),
    Mutant("late rows are missed", "incremental.moved", put(paged, "late", lambda *_: ())),
    Mutant("repairs read nothing", "incremental.repairs", put(paged, "repairs", lambda plan, keys, epoch: ())),
    Mutant("the state is the time of day", "state.not-ahead", around(paged, "checkpoint_from_receipts", _until_now)),
    Mutant("the state passes gaps", "state.gap-holds", around(paged, "checkpoint_from_receipts", _planned_mark)),
    Mutant("the state passes missing rows", "state.missing-holds", around(paged, "checkpoint_from_receipts", _gaps_only)),
    Mutant("the state follows a row of the far future", "state.future-row", around(windows, "_moments", lambda original, probe, page, latest: original(probe, page, latest + 365_000 * DAY))),
    Mutant("a foreign checkpoint means now", "state.foreign", _from_now),
    Mutant("the first page has to have rows", "pages.empty-first", around(OpenshelfClient, "books", _last_only)),
    Mutant("a bookmark outlives a page that failed", "resume.every-page", _left_behind),
    Mutant("a bookmark outlives a reader that left", "resume.every-batch", _left_behind),
    Mutant("a slice read again lacks what was read", "resume.again", _with_memory),
    Mutant("all pages are held in memory", "memory.bound", around(reading.PagedSliceReader, "frames", _gathered)),
    Mutant("batches are kept", "memory.released", around(reading.PagedSliceReader, "frames", _kept)),
    Mutant("no rows, no batch", "schema.no-rows", around(reading.PagedSliceReader, "frames", _no_batch)),
    Mutant("an incremental run reads nothing", "incremental.equals-full", _nothing_next_time),
    Mutant("the state goes back", "incremental.unchanged", around(paged, "checkpoint_from_receipts", _a_day_back)),
    Mutant("late rows of one slice are missed", "incremental.changed-meanwhile", put(paged, "late", lambda *_: ()), LoansTestSystem),
    Mutant("a key of every page is not listed", "incremental.keys", around(OpenshelfSource, "export_keys", _keys_without_one)),
    Mutant("the total is not reported", "pages.promised", answering(lambda ask, page: replace(page, total=None))),
    Mutant("keys are those of the first listing", "incremental.removed", around(OpenshelfSource, "export_keys", _keys_as_they_were)),
    Mutant("the state is that of the last receipt", "state.fold", around(paged, "checkpoint_from_receipts", _as_of_the_last)),
)  # fmt: skip
