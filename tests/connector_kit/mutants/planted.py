"""Bugs of lists, plans, increments and faults."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
from pydantic import Field

from connectors.http import client, listing, paged, planning, progress, reading, windows
from connectors.http.client import HttpClient, Refusal
from connectors.http.governor import Governor
from connectors.http.json_api import JsonApi, PagedSettings
from connectors.http.listing import Listing
from connectors.http.redaction import Redactor
from connectors.http.paging import Account, Page
from connectors.openshelf.client import OpenshelfClient
from connectors.openshelf.source import FACTORY, OpenshelfSource
from contracts.errors import SourceAuthError, SourcePageFailedError, SourceUnreachableError
from contracts.plan import SliceReport
from tests.connector_kit.mutants.planting import Mutant, answering, around, asking, put, shifted, swallowing

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


def _passed_over(status):
    def change(original, self):
        yield from original(self)
        if self.refusal and self.refusal.status == status:
            self.refusal = None

    return around(Listing, "__iter__", change)


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
    return page if ask.token or not page.next else replace(page, rows=page.rows or [], next=page.next if page.rows else None, total=None)


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


def _keys_in_part(original, self, plan, view=None):
    frames = original(self, plan, view)
    try:
        yield from frames
    except Exception:
        return


def _at_next_host(original, self, ask):
    if isinstance(ask.token, str) and ask.token.startswith("http"):
        httpx.get(ask.token, headers=self._headers, verify=False)
        return Page([])
    return original(self, ask)


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


def _from_now(original, checkpoint, unit):
    try:
        return original(checkpoint, unit)
    except Exception:
        return original({"watermark": datetime.now(UTC).isoformat(), "scope": original(None, unit).scope}, unit)


def _by_server_clock(original, self, answer):
    original(self, answer)
    self.clock = datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=UTC)


def _until_server_clock(patch):
    around(JsonApi, "_look_at", _by_server_clock)(patch)

    def change(original, self, ask):
        page, clock = original(self, ask), self.clock
        kept = [row for row in page.rows if "title" not in row or datetime.fromisoformat(row["updated_at"]) <= clock]
        return Page(kept, page.next, None)

    around(OpenshelfClient, "books", change)(patch)


class _Plain(PagedSettings):
    token: str = Field(description="Access token of the account.")


def _shown_config(patch):
    patch.setattr(FACTORY, "config_class", _Plain)
    headers = "Authorization"
    around(
        OpenshelfClient, "__init__", lambda _, self, config: JsonApi.__init__(self, config, {headers: f"Bearer {config.token}"})
    )(patch)


def _told_in_report(original, self):
    account = original(self)
    return Account(account.name, account.version, {"authorization": self._headers["Authorization"]})


def _logged(original, self, method, path, where, how):
    logging.getLogger("connectors.openshelf").debug("asking %s with %s", path, self._headers)
    return original(self, method, path, where, how)


def _capable(patch):
    made = FACTORY.descriptor.model_copy(
        update={"capabilities": (*FACTORY.descriptor.capabilities, "ingest.consistent_view")}
    )
    patch.setattr(FACTORY, "descriptor", made)
    patch.setattr(OpenshelfSource, "descriptor", made)


def _all_units(original, self, catalog):
    return original(self, self.collect_catalog("checked"))


def _for_ever(patch):
    patch.setattr(listing, "MOST_IDLE_PAGES", 10**9)
    around(listing._Reading, "follow", lambda original, self, token: setattr(self, "token", token))(patch)


def _always_again(patch):
    patch.setattr(Governor, "may_retry", lambda self: True)
    patch.setattr(Governor, "backoff_s", lambda self, tries: 0.0)
    around(HttpClient, "__init__", _many_tries)(patch)


def _many_tries(original, self, base_url, settings, *args, **named):
    original(self, base_url, settings.model_copy(update={"max_tries": 10**9}), *args, **named)


def _once(original, self, base_url, settings, *args, **named):
    original(self, base_url, settings.model_copy(update={"max_tries": 1}), *args, **named)


def _no_login(original, self):
    try:
        return original(self)
    except SourceAuthError:
        return Account("somebody", version="1")


def _overlapping(ask):
    return shifted(ask, before=5 * DAY)


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
    Mutant("selections are ignored", "plan.selection", put(paged, "refuse_selection", lambda unit, policy: None)),
    Mutant("a source forgets slices that another one planned", "plan.frozen", _planned_in_memory),
    Mutant("the filter is ignored", "incremental.reads-less", asking(lambda ask: replace(ask, since=None, before=None))),
    Mutant("incremental runs read what is after the watermark, not at it", "incremental.at-watermark", asking(lambda ask: shifted(ask, since=MOMENT))),
    Mutant("the overlap is dropped", "incremental.overlap", put(progress.PagedProgress, "since", lambda self, overlap_s: self.watermark)),
    Mutant("late rows are missed", "incremental.moved", put(paged, "late", lambda plan, epoch, overlap_s: ())),
    Mutant("repairs read nothing", "incremental.repairs", put(paged, "repairs", lambda plan, keys, epoch: ())),
    Mutant("the state is the time of day", "state.not-ahead", around(paged, "folded", _until_now)),
    Mutant("the state passes gaps", "state.gap-holds", around(paged, "folded", _planned_mark)),
    Mutant("the state passes missing rows", "state.missing-holds", around(paged, "folded", _gaps_only)),
    Mutant("the state follows a row of the far future", "state.future-row", around(windows, "_moments", lambda original, probe, page, latest: original(probe, page, latest + 365_000 * DAY))),
    Mutant("a foreign checkpoint means now", "state.foreign", lambda patch: patch.setattr(progress.PagedProgress, "read", classmethod(lambda cls, checkpoint, unit, _read=progress.PagedProgress.read.__func__: _from_now(lambda c, u: _read(cls, c, u), checkpoint, unit)))),
    Mutant("the first page has to have rows", "pages.empty-first", around(OpenshelfClient, "books", _last_only)),
    Mutant("a bookmark outlives a page that failed", "resume.every-page", _left_behind),
    Mutant("a bookmark outlives a reader that left", "resume.every-batch", _left_behind),
    Mutant("a slice read again lacks what was read", "resume.again", _with_memory),
    Mutant("403 is swallowed", "errors.staying-403", _passed_over(403)),
    Mutant("404 is swallowed", "errors.staying-404", _passed_over(404)),
    Mutant("401 is an empty page", "errors.staying-401", swallowing(SourceAuthError)),
    Mutant("a login that failed is a stranger's", "errors.login", around(OpenshelfClient, "me", _no_login)),
    Mutant("a cut body is the end", "errors.staying-cut", swallowing(SourceUnreachableError)),
    Mutant("a corrupt body is skipped", "errors.staying-corrupt", swallowing(SourcePageFailedError)),
    Mutant("what fails once has failed", "errors.passing-503", around(HttpClient, "__init__", _once)),
    Mutant("a connection that breaks once has failed", "errors.passing-cut", around(HttpClient, "__init__", _once)),
    Mutant("failing is tried again for ever", "errors.retries-end", _always_again),
    Mutant("Retry-After is ignored", "errors.retry-after", around(Governor, "was_throttled", lambda original, self, began, pause_s: original(self, began, 0.0))),
    Mutant("Retry-After as a date is ignored", "errors.retry-after-date", around(client, "retry_after_s", lambda original, value: original(value) if value and value.isdecimal() else None)),
    Mutant("an error has no next step", "errors.unreachable", put(client, "_unreachable", lambda error, where: SourceUnreachableError(str(error)))),
    Mutant("an error is httpx's own", "errors.timeout", put(client, "_unreachable", lambda error, where: error)),
    Mutant("keys are listed in part", "errors.keys", around(OpenshelfSource, "export_keys", _keys_in_part)),
    Mutant("the server's clock is believed", "clock.behind", _until_server_clock),
    Mutant("a capability is declared and absent", "capabilities.true", _capable),
    Mutant("a preview is everything", "capabilities.preview", around(OpenshelfSource, "preview", lambda original, self, unit, limit, where=(): original(self, unit, limit + 1, where))),
    Mutant("a closed source stays closed", "capabilities.reopen", put(HttpClient, "close", lambda self: self._http and self._http.close())),
    Mutant("a unit is not in the catalog", "catalog.units", around(OpenshelfSource, "list_units", _all_units)),
    Mutant("a catalog is never the same", "catalog.stable", around(paged, "datasets", lambda original, vendor, namespace, units: original(vendor, f"{namespace}{datetime.now(UTC).timestamp()}", units))),
    Mutant("all pages are held in memory", "memory.bound", around(reading.SliceReading, "frames", _gathered)),
    Mutant("batches are kept", "memory.released", around(reading.SliceReading, "frames", _kept)),
    Mutant("no rows, no batch", "schema.no-rows", around(reading.SliceReading, "frames", _no_batch)),
    Mutant("a secret is in an error", "secrets.in-errors", put(Redactor, "text", lambda self, text: text)),
    Mutant("a secret is in the report of the connection", "secrets.in-rows", around(OpenshelfClient, "me", _told_in_report)),
    Mutant("a secret is plain text in the config", "secrets.in-config", _shown_config),
    Mutant("a secret is logged", "secrets.in-logs", around(HttpClient, "_exchange", _logged)),
    Mutant("credentials follow a link to another host", "secrets.elsewhere", around(OpenshelfClient, "books", _at_next_host)),
)  # fmt: skip
