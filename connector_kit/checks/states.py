"""The checkpoint: it never passes the data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector_kit.checks.bench import receipts_of
from connector_kit.checks.check import Group, Outcome, failed, passed
from connector_kit.checks.increments import full, run
from connector_kit.checks.lab import SkippedError
from connector_kit.checks.verdicts import did, in_words, same_rows
from connector_kit.tape.pages import EditRow
from connector_kit.tape.shape import get, put
from connector_kit.tape.spoil import Status
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from typing import Any

    from connector_kit.checks.bench import Bench
    from connector_kit.tape.spoil import Spoil
    from contracts.model import Json

GROUP = Group("state", "Checkpoints")
_MOST_BYTES = 64 * 1024


@GROUP.check("not-ahead", "What changes while a run reads is read by it, or by the next one", "I4 I1")
def not_ahead(bench: Bench) -> Outcome:
    """Rows change between plan and export; the slices that are read last are not."""
    with bench.connected() as one:
        first = run(one)
        plan = one.plan("incremental", first.checkpoint)
        changed = bench.lab.change(4)
        reading = one.read(plan)
        if reading.error is not None:
            raise reading.error
        checkpoint = one.source.checkpoint(plan, receipts_of(reading, plan))
        second = run(one.anew(), checkpoint)
        truth = full(one)
    sent = f"{len(changed)} rows changed after a run was planned"
    return same_rows(sent, truth, second.reading.over(reading.over(first.reading)))


def _repaired(bench: Bench, spoil: Spoil) -> Outcome:
    """A run with a fault, its checkpoint, and a run without: together they are everything, or the first failed."""
    expected = "the next run reads what is missing; or the run fails, and there is no checkpoint"
    with bench.connected() as one:
        if "incremental" not in one.unit.supported_modes:
            raise SkippedError("the unit cannot be read incrementally")
        plan = one.plan("incremental")
        one.tape.spoil = spoil
        reading = one.read(plan)
        one.tape.spoil = None
        if reading.error is not None:
            return Outcome(bool(reading.error.next_step), did(spoil), in_words(reading.error), expected)
        second = run(one.anew(), one.source.checkpoint(plan, receipts_of(reading, plan)))
        truth = full(one)
    seen = same_rows(did(spoil), truth, second.reading.over(reading), whole=False)
    return Outcome(seen.passed, did(spoil), f"{seen.received} after the next run", expected)


@GROUP.check("gap-holds", "A slice with a gap is read again by the next run", "I4 I9")
def gap_holds(bench: Bench) -> Outcome:
    """A page in the first slice is refused, then one in the last."""
    spot = bench.lab.row_spot
    with bench.connected() as one:
        plan = bench.plan(one)
        asked = len(one.tape.requests)
        one.read(plan)
        pages = sum(spot.path in seen.path for seen in one.tape.requests[asked:])
    first = _repaired(bench, Status(403, nth=2, path=spot.path, method=spot.method))
    if not first.passed or pages < 4:
        return first
    return _repaired(bench, Status(403, nth=pages, path=spot.path, method=spot.method))


@GROUP.check("missing-holds", "A slice that got fewer rows than promised is read again by the next run", "I4 I9")
def missing_holds(bench: Bench) -> Outcome:
    """The oldest row is listed or counted, and does not come."""
    spot = bench.lab.row_spot
    if spot is bench.lab.pages and spot.total is None:
        raise SkippedError("the system makes no promise how many rows a list has")
    oldest = min(bench.truth, key=lambda key: (len(key), key))

    def without_it(row: Any) -> Any:
        return None if str(get(row, spot.key)) == oldest else row

    return _repaired(bench, EditRow(spot.shape, without_it, "held back a row", path=spot.path, method=spot.method))


@GROUP.check("fold", "A checkpoint is JSON, small, and the same for receipts in any order", "I4")
def fold(bench: Bench) -> Outcome:
    """Receipts forwards and backwards."""
    with bench.connected() as one:
        first = run(one, late=False)
        receipts = receipts_of(first.reading, first.plan)
        asked = len(one.tape.requests)
        made = [one.source.checkpoint(first.plan, order) for order in (receipts, receipts[::-1])]
        requests = len(one.tape.requests) - asked
    text = json.dumps(made[0])
    sent, expected = "receipts in two orders", f"one checkpoint, JSON of at most {_MOST_BYTES} bytes, and no requests"
    right = made[0] == made[1] and json.loads(text) == made[0] and len(text) <= _MOST_BYTES and not requests
    received = "the same" if made[0] == made[1] else f"{made[0]} and {made[1]}"
    return Outcome(right, sent, f"{received}, {len(text)} bytes, {requests} requests", expected)


@GROUP.check("foreign", "A checkpoint of another shape is refused, or everything is read", "I4")
def foreign(bench: Bench) -> Outcome:
    """Checkpoints that nobody here wrote."""
    sent, expected = "checkpoints that were written by something else", "a typed error with a next step, or all rows"
    truth = bench.truth
    with bench.connected() as one:
        run(one)
        others: tuple[Json, ...] = ({"watermark": "yesterday"}, {"offset": 17})
        for strange in others:
            try:
                reading = one.read(one.plan("incremental", strange))
            except IngestionError as error:
                if not error.next_step:
                    return failed(sent, in_words(error), expected)
                continue
            if missed := set(truth) - set(reading.rows):
                return failed(sent, f"{strange}: {len(missed)} rows were not read", expected)
    return passed(sent, "refused, or all rows", expected)


@GROUP.check("future-row", "A row dated far in the future does not become the watermark", "I4 I1")
def future_row(bench: Bench) -> Outcome:
    """One row claims to have changed in 2190; later changes must still be read."""
    lab = bench.lab
    place, spot = lab.place("moment"), lab.row_spot
    told = lab.moment(datetime(2190, 1, 1, tzinfo=UTC))
    newest = max(bench.truth.items(), key=lambda one: (one[1][place.column] is not None, one[1][place.column]))[0]

    def edit(row: Any) -> Any:
        return put(row, place.json, told) if str(get(row, spot.key)) == newest else row

    spoil = EditRow(spot.shape, edit, "dated a row 2190", path=spot.path, method=spot.method)
    with bench.connected(spoil) as one:
        first = run(one)
        changed = lab.change(3)
        second = run(one.anew(), first.checkpoint)
        truth = full(one)
    seen = same_rows(did(spoil), truth, second.reading.over(first.reading), whole=False)
    return Outcome(seen.passed, seen.sent, seen.received, f"the {len(changed)} rows that changed later are read")
