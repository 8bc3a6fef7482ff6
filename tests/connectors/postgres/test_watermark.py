"""The settled watermark, without a server: whatever order transactions commit in, no row is passed over."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connectors.sql.settled import MAX_PENDING, PREPARED, STATEMENT, CursorObservation, Pending, Watermark, advanced

EMPTY = Watermark(columns=("c",))
QUIET = CursorObservation(gone_before=(), xmin=9, view_xmax=9, xmax=9, there_after=())
BUSY = CursorObservation(gone_before=("1/1",), xmin=5, view_xmax=9, xmax=9, there_after=("1/1",))


def test_a_quiet_source_is_settled_at_once():
    after = advanced(EMPTY, "7", ["7"], QUIET)
    assert (after.settled, after.pending) == ("7", ())


def test_a_busy_source_leaves_a_pending_value():
    after = advanced(EMPTY, "7", ["7"], BUSY)
    assert after.settled is None
    assert after.pending == (Pending(value="7", xmax=9, virtual_ids=("1/1",)),)


def test_a_pending_value_is_settled_when_all_it_names_are_gone():
    before = Watermark(columns=("c",), settled="3", pending=(Pending(value="7", xmax=9, virtual_ids=("1/1",)),))
    still_there = CursorObservation(gone_before=("1/1",), xmin=12, view_xmax=12, xmax=12, there_after=("1/1",))
    assert advanced(before, "8", ["3", "7", "8"], still_there).settled == "3"
    below_horizon = CursorObservation(gone_before=(), xmin=8, view_xmax=12, xmax=12, there_after=())
    assert advanced(before, "8", ["3", "7", "8"], below_horizon).settled == "3"
    gone = CursorObservation(gone_before=("2/2",), xmin=9, view_xmax=12, xmax=12, there_after=("2/2",))
    after = advanced(before, "8", ["3", "7", "8"], gone)
    assert (after.settled, [entry.value for entry in after.pending]) == ("7", ["8"])


def test_each_sign_of_life_alone_is_enough_to_wait():
    for busy in (
        QUIET.model_copy(update={"xmin": 8}),
        QUIET.model_copy(update={"xmax": 10}),
        QUIET.model_copy(update={"there_after": ("3/3",)}),
    ):
        assert advanced(EMPTY, "7", ["7"], busy).settled is None


def test_whatever_the_connection_of_a_statement_has_later_may_be_its_own():
    """A statement that was seen before it had a transaction: that one begins later, and its value is an old one."""
    later = {"9/later": 2_000}
    for seen, settled in ((f"9{STATEMENT}", "3"), ("9/earlier", "7")):
        pending = Pending(value="7", xmax=0, virtual_ids=(seen,), seen_at_us=1_000)
        before = Watermark(columns=("c",), settled="3", pending=(pending,))
        now = QUIET.model_copy(update={"gone_before": ("9/later",), "there_after": ("9/later",), "began_us": later})
        assert advanced(before, "8", ["3", "7", "8"], now).settled == settled


def test_nothing_reached_keeps_what_was():
    before = Watermark(columns=("c",), scope="s", settled="3")
    assert advanced(before, None, ["3"], QUIET) == before
    assert advanced(EMPTY, None, [], QUIET) == EMPTY


def test_values_that_went_back_do_not_take_the_watermark_back():
    before = Watermark(columns=("c",), settled="5")
    assert advanced(before, "2", ["2", "5"], QUIET).settled == "5"
    assert advanced(before, "2", ["2", "5"], BUSY).pending == ()


def test_the_list_stays_short_and_keeps_its_oldest_and_newest():
    before = EMPTY
    values = [f"{n:03d}" for n in range(100)]
    for value in values:
        before = advanced(before, value, values, BUSY)
    assert len(before.pending) == MAX_PENDING
    assert before.pending[0].value == "000"
    assert before.pending[-1].value == "099"


FEW = 3
"""Open transactions at once: with more, some transaction is nearly always open and little is ever settled."""
STEPS = st.tuples(
    st.sampled_from(["begin", "write", "prepare", "commit", "commit", "roll back"]), st.integers(0, FEW - 1)
)


class Source(RuleBasedStateMachine):
    """A database in small: transactions begin, take a value from a clock, get an id, and commit in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0
        self.next_xid = 1
        self.open: dict[int, int] = {}  # name -> cursor value
        self.xids: dict[int, int] = {}
        self.prepared: set[int] = set()
        self.committed: set[int] = set()
        self.sink: set[int] = set()
        self.due: set[int] = set()
        self.mark = EMPTY

    @rule(step=STEPS)
    def work(self, step: tuple[str, int]) -> None:
        what, which = step
        name = sorted(self.open)[which] if which < len(self.open) else None
        if what == "begin" and len(self.open) < FEW:
            self.clock += 1
            self.open[self.clock] = self.clock  # now() is fixed before there is a transaction id
        elif name is None:
            return
        elif what == "roll back":
            del self.open[name]
            self.xids.pop(name, None)
        else:
            self.xids.setdefault(name, self.next_xid)
            self.next_xid = max(self.next_xid, self.xids[name] + 1)
            if what == "prepare":
                self.prepared.add(name)  # the session lets go of its virtual id, the transaction lives on
            if what == "commit":
                self.committed.add(self.open.pop(name))
                del self.xids[name]

    @rule(during=st.tuples(*(st.lists(STEPS, max_size=3) for _ in range(3))))
    def run(self, during: tuple[list[tuple[str, int]], ...]) -> None:
        """The three observations in their order, with others at work between them."""
        gone_before = self.ids()
        self.meanwhile(during[0])
        view, xmin, view_xmax = set(self.committed), min(self.xids.values(), default=self.next_xid), self.next_xid
        self.meanwhile(during[1])
        there_after = self.ids()
        self.meanwhile(during[2])
        seen = CursorObservation(
            gone_before=gone_before, xmin=xmin, view_xmax=view_xmax, xmax=self.next_xid, there_after=there_after
        )
        start = int(self.mark.settled) if self.mark.settled else 0
        self.due = view
        self.sink |= {value for value in view if value >= start}
        reached = str(max(view)) if view else None
        values = {self.mark.settled, reached, *(entry.value for entry in self.mark.pending)} - {None}
        self.mark = advanced(self.mark, reached, sorted(values, key=int), seen)

    def ids(self) -> tuple[str, ...]:
        return tuple(sorted(f"{PREPARED}{n}" if n in self.prepared else str(n) for n in self.open))

    def meanwhile(self, steps: list[tuple[str, int]]) -> None:
        for step in steps:
            self.work(step)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.due <= self.sink

    @invariant()
    def nothing_below_the_mark_can_still_come(self) -> None:
        settled = int(self.mark.settled or 0)
        assert {value for value in self.committed if value <= settled} <= self.sink
        assert all(value > settled for value in self.open.values())


Source.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestNoRowIsPassedOver = pytest.mark.slow(3)(Source.TestCase)
