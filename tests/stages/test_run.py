"""The five stages in a row, over a source and a sink that fail on demand."""

from __future__ import annotations

import threading
import time
from unittest.mock import Mock

import pytest

from contracts.errors import (
    CompletenessGapError,
    RunSupersededError,
    SinkAuthError,
    SinkUnreachableError,
    SinkValueError,
    SliceRereadError,
    SourceAuthError,
    SourcePageFailedError,
    SourceViewLostError,
    StageCorruptError,
    StageUnsealedError,
    StagingUnavailableError,
)
from contracts.plan import SliceReport
from contracts.receipts import UpsertReceipt
from flows.stages import retries
from flows.stages.export import RunStopped
from flows.stages.run import UnitRun
from flows.stages.slices import RunControl
from staging.memory import MemoryStaging
from tests.stages.fakes import REF, CensusSink, CensusSource, FakeSink, FakeSource, request_of

RETRIED = [
    (SourcePageFailedError("x"), True),
    (SinkUnreachableError("x"), True),
    (StagingUnavailableError("x"), True),
    (SourceViewLostError("x"), False),
    (StageCorruptError("x"), False),
    (SinkAuthError("x"), False),
    (RunSupersededError("x"), False),
    (ValueError("x"), False),
]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(retries, "DELAYS_S", (0.0, 0.0, 0.0))


class Notes:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.summary = None

    def opened(self, opened) -> None:
        self.lines.append(("opened", str(len(opened.todo))))

    def staged(self, piece, receipt) -> None:
        self.lines.append(("staged", piece.key))

    def upserted(self, piece, receipt) -> None:
        self.lines.append(("upserted", piece.key))

    def retried(self, piece, error, delay_s) -> None:
        self.lines.append(("retried", f"{piece.key} {error.code}"))

    def finished(self, summary) -> None:
        self.lines.append(("finished", summary.run_id))
        self.summary = summary


def run_of(source, sink, staging=None, **fields) -> UnitRun:
    known = {name: fields.pop(name) for name in ("observer", "mapper", "keep_staged", "control") if name in fields}
    return UnitRun(source, sink, staging or MemoryStaging(), request_of(**fields), **known)


def test_counters_add_up():
    source, sink = FakeSource(slices=3, rows=4, expected=4), FakeSink()
    sink.table = {0, 1}
    summary = run_of(source, sink).execute()
    assert (summary.slices_planned, summary.slices_done, summary.slices_done_before) == (3, 3, 0)
    assert (summary.rows_read, summary.rows_staged, summary.rows_expected) == (12, 12, 12)
    assert (summary.rows_inserted, summary.rows_updated, summary.rows_unchanged) == (10, 0, 2)
    assert summary.bytes_staged == sum(receipt.bytes_staged for receipt in sink.filed.values()) > 0
    assert set(summary.seconds_by_stage) >= {"plan", "export", "stage", "upsert"}
    assert sum(summary.seconds_by_stage.values()) <= summary.seconds * 3
    assert summary.started_at <= summary.finished_at
    assert summary.checkpoint_after == sink.frozen.checkpoint == {"slices": 3}
    assert (summary.resumed, summary.gaps, summary.epoch) == (False, (), 1)
    assert len(sink.table) == 12


def test_the_observer_hears_everything_in_order():
    notes = Notes()
    summary = run_of(FakeSource(slices=2), FakeSink(), observer=notes, parallel_slices=1).execute()
    assert notes.lines == [
        ("opened", "2"),
        ("staged", "s0"),
        ("upserted", "s0"),
        ("staged", "s1"),
        ("upserted", "s1"),
        ("finished", summary.run_id),
    ]
    assert notes.summary == summary


def test_slices_run_side_by_side_and_no_more_than_asked():
    source, seen, now = FakeSource(slices=9), [], set()
    meeting = threading.Barrier(3, timeout=10)

    def on_batch(key: str) -> None:
        now.add(key)
        seen.append(len(now))
        meeting.wait()
        now.discard(key)

    source.on_batch = on_batch
    run_of(source, FakeSink(), parallel_slices=3).execute()
    assert max(seen) == 3


@pytest.mark.parametrize(("rows", "expected"), [(3, 4), (5, 4), (1, 0)])
def test_a_gap_is_no_success(rows, expected):
    source, sink, notes = FakeSource(slices=2, rows=rows, expected=expected), FakeSink(), Notes()
    with pytest.raises(CompletenessGapError, match=rf"expected {expected}, received {rows}") as caught:
        run_of(source, sink, observer=notes).execute()
    assert len(caught.value.facts["gaps"]) == 2
    assert sink.frozen.finished_at is None, "it did not succeed, so nothing vouches for it"
    assert notes.summary is None


def test_rows_that_the_sink_does_not_account_for_are_a_gap():
    with pytest.raises(CompletenessGapError, match="4 staged, 3 accounted for"):
        run_of(FakeSource(slices=1), FakeSink(loses=1)).execute()


def test_a_gap_that_is_allowed_is_listed():
    summary = run_of(FakeSource(slices=2, rows=3, expected=4), FakeSink(), allow_partial=True).execute()
    assert summary.gaps == ("slice s0: expected 4, received 3", "slice s1: expected 4, received 3")
    assert (summary.rows_expected, summary.rows_staged) == (8, 6)


def test_a_failure_that_may_pass_is_tried_again():
    source, sink = FakeSource(), FakeSink()
    source.failures["s1"] = [SourcePageFailedError("once"), SourcePageFailedError("twice")]
    sink.failures["s2"] = [SinkUnreachableError("once")]
    notes = Notes()
    summary = run_of(source, sink, observer=notes).execute()
    assert summary.rows_inserted == 12
    assert source.exports == {"s0": 1, "s1": 3, "s2": 1}, "what is staged is not read again"
    assert summary.retries == {"E_SOURCE_PAGE_FAILED": 2, "E_SINK_UNREACHABLE": 1}
    told = sorted(line for kind, line in notes.lines if kind == "retried")
    assert told == ["s1 E_SOURCE_PAGE_FAILED", "s1 E_SOURCE_PAGE_FAILED", "s2 E_SINK_UNREACHABLE"]
    assert summary.throttling is None, "this source does not count"


def test_there_is_an_end_to_trying():
    source = FakeSource()
    source.failures["s1"] = [SourcePageFailedError(f"time {n}") for n in range(9)]
    with pytest.raises(SourcePageFailedError, match="time 3"):
        run_of(source, FakeSink()).execute()
    assert source.exports["s1"] == 1 + len(retries.DELAYS_S)


@pytest.mark.parametrize(
    "failure", [SourceAuthError("no"), SinkValueError("no"), SourceViewLostError("gone"), OSError()]
)
def test_what_will_not_pass_is_not_tried_again(failure):
    source, sink = FakeSource(slices=200), FakeSink()
    source.failures["s1"] = [failure]
    with pytest.raises(type(failure)):
        run_of(source, sink, parallel_slices=1).execute()
    assert source.exports["s1"] == 1
    assert len(source.exports) < 20, "what had not begun never does"
    assert not retries.is_transient(failure)
    assert not sink.held


def test_a_reread_is_no_failure():
    source, seen = FakeSource(slices=1), []
    source.failures["s0"] = [SliceRereadError("again", "", params={"exact": True})]
    export = source.export
    source.export = lambda plan, piece, view=None: seen.append(piece.params) or export(plan, piece, view)
    assert run_of(source, FakeSink()).execute().rows_inserted == 4
    assert seen == [{}, {"exact": True}]


def test_a_failed_run_goes_on_where_it_was():
    source, sink = FakeSource(slices=4), FakeSink()
    source.failures["s3"] = [SourceAuthError("expired")]
    with pytest.raises(SourceAuthError):
        run_of(source, sink, parallel_slices=1).execute()
    assert set(sink.filed) == {"s0", "s1", "s2"}
    summary = run_of(source, sink).execute()
    assert source.exports == {"s0": 1, "s1": 1, "s2": 1, "s3": 2}
    assert source.plans == 1
    assert (summary.resumed, summary.slices_done_before, summary.slices_done, summary.epoch) == (True, 3, 1, 2)
    assert (summary.rows_read, summary.rows_staged, summary.rows_inserted) == (4, 16, 16)
    third = run_of(source, sink).execute()
    assert (third.resumed, third.run_id == summary.run_id, third.rows_unchanged) == (False, False, 16)


def test_a_slice_with_a_gap_is_read_again_by_the_next_run():
    """Its receipt stands in the sink, so that run cannot be continued: the next one plans anew."""
    source, sink = FakeSource(slices=2, rows=4, expected=5), FakeSink()
    with pytest.raises(CompletenessGapError):
        run_of(source, sink).execute()
    source.expected = 4
    summary = run_of(source, sink).execute()
    assert (source.plans, summary.slices_done, summary.gaps) == (2, 2, ())


def test_what_an_earlier_census_removed_is_no_slice():
    """A run that was killed after its census goes on: the census counts as rows deleted, not as a slice or as rows."""
    source, sink = FakeSource(slices=2, rows=4), FakeSink()
    source.failures["s1"] = [SourceAuthError("no", "sign in")]
    with pytest.raises(SourceAuthError):
        run_of(source, sink, parallel_slices=1).execute()
    sink.filed["census-1"] = UpsertReceipt(
        slice_key="census-1", sequence=2, epoch=1, rows_staged=100, rows_deleted=7, strategy="census"
    )
    summary = run_of(source, sink, parallel_slices=1).execute()
    assert (summary.slices_done_before, summary.slices_done) == (1, 1)
    assert (summary.rows_read, summary.rows_staged, summary.rows_deleted) == (4, 8, 7)


def test_fresh_plans_anew():
    source, sink = FakeSource(slices=4), FakeSink()
    source.failures["s2"] = [SourceAuthError("expired")]
    with pytest.raises(SourceAuthError):
        run_of(source, sink, parallel_slices=1).execute()
    first = sink.frozen.run_id
    summary = run_of(source, sink, fresh=True).execute()
    assert summary.run_id != first
    assert (summary.slices_done_before, source.plans, source.exports["s0"]) == (0, 2, 2)


def test_a_run_that_is_stopped_can_go_on():
    source, sink, staging = FakeSource(slices=4), FakeSink(), MemoryStaging()
    stopping = run_of(source, sink, staging, parallel_slices=1)
    source.on_batch = lambda key: stopping.stop() if key == "s1" else None
    with pytest.raises(RunStopped):
        stopping.execute()
    assert set(sink.filed) == {"s0"}
    assert not sink.held
    assert {session.state for session in staging.sessions()} == {"consumed"}, "what was half-way is gone"
    source.on_batch = lambda _key: None
    summary = run_of(source, sink, staging).execute()
    assert (summary.resumed, summary.slices_done_before, summary.slices_done) == (True, 1, 3)
    assert len(sink.table) == 16


def test_a_stop_ends_the_wait_for_the_next_try(monkeypatch):
    monkeypatch.setattr(retries, "DELAYS_S", (60.0,))
    source, sink = FakeSource(slices=1), FakeSink()
    source.failures["s0"] = [SourcePageFailedError("busy")]
    stopping = run_of(source, sink)
    threading.Timer(0.2, stopping.stop).start()
    with pytest.raises(SourcePageFailedError):
        stopping.execute()


def test_a_pause_lets_slices_in_hand_finish():
    source, sink, control = FakeSource(slices=6), FakeSink(), RunControl()
    pausing = run_of(source, sink, control=control, parallel_slices=2)
    meeting = threading.Barrier(2, timeout=10)

    def on_batch(key: str) -> None:
        if key in {"s0", "s1"}:
            meeting.wait()
            control.pause()

    source.on_batch = on_batch
    with pytest.raises(RunStopped):
        pausing.execute()
    assert set(sink.filed) == {"s0", "s1"}, "both were in hand and are in the sink; no other began"
    source.on_batch = lambda _key: None
    assert run_of(source, sink).execute().slices_done == 4


def test_a_pause_does_not_wait_for_a_delayed_try(monkeypatch):
    monkeypatch.setattr(retries, "DELAYS_S", (60.0,))
    source, sink, control = FakeSource(slices=2), FakeSink(), RunControl()
    source.failures["s0"] = [SourcePageFailedError("busy")]
    pausing = run_of(source, sink, control=control)
    threading.Timer(0.3, control.pause).start()
    with pytest.raises(RunStopped):
        pausing.execute()
    assert set(sink.filed) == {"s1"}
    assert run_of(source, sink).execute().slices_done == 1


def test_what_the_source_asks_for_is_waited(monkeypatch):
    source, began = FakeSource(slices=1), []
    source.failures["s0"] = [asks_for(0.4)]
    source.on_batch = lambda _key: began.append(time.monotonic())
    assert run_of(source, FakeSink()).execute().slices_done == 1
    assert began[1] - began[0] >= 0.4


def test_a_source_that_asks_for_too_long_a_pause_ends_the_run():
    source = FakeSource(slices=1)
    source.failures["s0"] = [asks_for(retries.MAX_HOLD_S + 1)]
    with pytest.raises(SourcePageFailedError):
        run_of(source, FakeSink()).execute()
    assert source.exports["s0"] == 1


def asks_for(seconds: float) -> SourcePageFailedError:
    error = SourcePageFailedError("slow down")
    error.retry_after_s = seconds
    return error


def test_a_census_that_is_tried_again_counts_nothing_twice():
    """Late slices, removals and repairs are told as the sink holds them, whatever was tried again."""
    source, sink = CensusSource(slices=2), CensusSink()
    sink.census_failures = [SinkUnreachableError("after the commit"), SinkUnreachableError("once more")]
    summary = run_of(source, sink).execute()
    slices = [receipt for receipt in sink.filed.values() if not receipt.is_census]
    assert sink.censuses == 3
    assert summary.slices_done == len(slices) == 4, "two planned, one late, one repair"
    assert summary.rows_read == sum(receipt.rows_staged for receipt in slices)
    assert summary.rows_deleted == 5


def test_late_and_repair_slices_of_an_earlier_process_are_counted():
    """Killed when everything was written: what continues has nothing to write, and says how much was there."""
    source, sink = CensusSource(slices=2), CensusSink()
    finish, sink.finish_run = sink.finish_run, Mock(side_effect=SinkUnreachableError("killed at finishing"))
    with pytest.raises(SinkUnreachableError):
        run_of(source, sink).execute()
    held = [key for key, receipt in sink.filed.items() if not receipt.is_census]
    assert len(held) == 4, "two planned, one late, one repair"
    sink.finish_run = finish
    source.late_slices, source.repair_slices = lambda *_: (), lambda *_: ()
    summary = run_of(source, sink).execute()
    assert (summary.resumed, summary.slices_done_before, summary.slices_done, summary.rows_read) == (True, 4, 0, 0)


def test_what_a_source_observed_is_read_from_the_sink_and_crosses_no_boundary():
    """A drive of 100,000 items has a tree of folders of some hundred KiB, which its checkpoint needs (I5)."""
    tree = "x" * 600_000

    class TreeSource(FakeSource):
        def export(self, plan, piece, view=None):
            yield from super().export(plan, piece, view)
            return SliceReport(observed={"tree": tree})

        def checkpoint(self, plan, receipts):
            return {"trees": [one.observed["tree"] for one in receipts]}

    class ReceiptSizes(Notes):
        def staged(self, piece, receipt):
            sizes.append(len(receipt.model_dump_json()))

        def upserted(self, piece, receipt):
            sizes.append(len(receipt.model_dump_json()))

    sizes: list[int] = []
    run = UnitRun(TreeSource(slices=2), FakeSink(), MemoryStaging(), request_of(), observer=ReceiptSizes())
    assert run.execute().checkpoint_after == {"trees": [tree, tree]}
    assert len(sizes) == 4
    assert max(sizes) < 64 * 1024


def test_a_receipt_that_the_sink_does_not_hold_is_a_gap():
    sink = FakeSink()
    sink.forgets = {"late-1"}
    with pytest.raises(CompletenessGapError, match="slice late-1 has no receipt"):
        run_of(CensusSource(slices=2), sink).execute()


@pytest.mark.parametrize(("error", "again"), RETRIED)
def test_the_table_of_retries(error, again):
    assert (retries.retry_delay_s(error, 1) is not None) is again


@pytest.mark.parametrize("error", [StageCorruptError("x"), StageUnsealedError("x")])
def test_a_session_that_cannot_be_read_is_staged_again(error):
    source, sink = FakeSource(slices=1), FakeSink()
    sink.failures["s0"] = [error, error]
    assert run_of(source, sink).execute().slices_done == 1
    assert source.exports["s0"] == 3
    sink.failures["s0"] = [error] * 3
    with pytest.raises(type(error)):
        run_of(source, sink, fresh=True).execute()


@pytest.mark.parametrize(("keep", "states"), [(True, ["consumed"] * 3), (False, [])])
def test_what_stays_in_staging(keep, states):
    staging = MemoryStaging()
    summary = run_of(FakeSource(), FakeSink(), staging, keep_staged=keep).execute()
    sessions = list(staging.sessions())
    assert [session.state for session in sessions] == states
    assert {session.run_id for session in sessions} <= {summary.run_id}


def test_a_mapper_stands_between_staging_and_sink():
    sink = FakeSink()
    run_of(
        FakeSource(slices=1), sink, mapper=lambda frame, _context: frame.with_columns(id=-frame.collect()["id"])
    ).execute()
    assert sink.table == {0, -1, -2, -3}


def test_the_lock_is_held_while_the_run_lasts():
    source, sink = FakeSource(), FakeSink()
    held = []
    source.on_batch = lambda _key: held.append(sink.held)
    run_of(source, sink).execute()
    assert set(held) == {True}
    assert not sink.held
    assert sink.frozen.ref == REF
