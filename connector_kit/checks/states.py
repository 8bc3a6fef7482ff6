"""The checkpoint: it never passes the data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connector_kit.checks.bench import receipts_of
from connector_kit.checks.check import Group, Outcome
from connector_kit.checks.increments import full, run
from connector_kit.checks.verdicts import did, in_words, same_rows
from connector_kit.tape.pages import EditRow
from connector_kit.tape.shape import get, put
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from typing import Any

    from connector_kit.checks.bench import Bench

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


@GROUP.check("gap-holds", "A slice with a gap is read again by the next run", "I4 I9")
def gap_holds(bench: Bench) -> Outcome:
    """Each slice in turn is said to have a gap."""
    sent, expected = "a run in which one slice had a gap", "the next run reads all rows of that slice again"
    with bench.connected() as one:
        first = run(one, late=False)
        receipts = receipts_of(first.reading, first.plan)
        for index in sorted({0, len(receipts) - 1}):
            spoiled = [*receipts]
            spoiled[index] = receipts[index].model_copy(update={"gaps": ("a part could not be read",)})
            second = run(one.anew(), one.source.checkpoint(first.plan, spoiled), late=False)
            wanted = set(first.reading.slices[receipts[index].slice_key].keys)
            if missed := wanted - set(second.reading.rows):
                received = f"{len(missed)} of {len(wanted)} rows of slice {index} are not read again"
                return Outcome(False, sent, received, expected)
    return Outcome(True, sent, "they are", expected)


@GROUP.check("missing-holds", "A slice that got fewer rows than promised is read again by the next run", "I4 I9")
def missing_holds(bench: Bench) -> Outcome:
    """The last slice's receipt speaks of one row fewer than was promised."""
    sent, expected = "a run in which a slice staged a row fewer than was promised", "the next run reads that slice again"
    with bench.connected() as one:
        first = run(one, late=False)
        receipts = receipts_of(first.reading, first.plan)
        last = receipts[-1]
        told = {"expected_rows": last.rows_staged + 1}
        second = run(one, one.source.checkpoint(first.plan, [*receipts[:-1], last.model_copy(update=told)]), late=False)
    wanted = set(first.reading.slices[last.slice_key].keys)
    missed = wanted - set(second.reading.rows)
    received = f"{len(missed)} of {len(wanted)} rows are not read again" if missed else "it is read again"
    return Outcome(not missed, sent, received, expected)


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
        for strange in ({"watermark": "yesterday"}, {"offset": 17}):
            try:
                reading = one.read(one.plan("incremental", strange))
            except IngestionError as error:
                if not error.next_step:
                    return Outcome(False, sent, in_words(error), expected)
                continue
            if missed := set(truth) - set(reading.rows):
                return Outcome(False, sent, f"{strange}: {len(missed)} rows were not read", expected)
    return Outcome(True, sent, "refused, or all rows", expected)


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
