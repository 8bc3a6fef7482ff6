"""The settled watermark, without a server: whatever order transactions commit in, no row is passed over."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from connectors.postgres.watermark import MAX_PENDING, Observation, Pending, Watermark, advanced

EMPTY = Watermark(columns=("c",))
QUIET = Observation(gone_before=(), xmin=9, view_xmax=9, xmax=9, there_after=())
BUSY = Observation(gone_before=("1/1",), xmin=5, view_xmax=9, xmax=9, there_after=("1/1",))


def test_a_quiet_source_is_settled_at_once():
    after = advanced(EMPTY, "7", ["7"], QUIET)
    assert (after.settled, after.pending) == ("7", ())


def test_a_busy_source_leaves_a_pending_value():
    after = advanced(EMPTY, "7", ["7"], BUSY)
    assert after.settled is None
    assert after.pending == (Pending(value="7", xmax=9, virtual_ids=("1/1",)),)


def test_a_pending_value_is_settled_when_all_it_names_are_gone():
    before = Watermark(columns=("c",), settled="3", pending=(Pending(value="7", xmax=9, virtual_ids=("1/1",)),))
    still_there = Observation(gone_before=("1/1",), xmin=12, view_xmax=12, xmax=12, there_after=("1/1",))
    assert advanced(before, "8", ["3", "7", "8"], still_there).settled == "3"
    below_horizon = Observation(gone_before=(), xmin=8, view_xmax=12, xmax=12, there_after=())
    assert advanced(before, "8", ["3", "7", "8"], below_horizon).settled == "3"
    gone = Observation(gone_before=("2/2",), xmin=9, view_xmax=12, xmax=12, there_after=("2/2",))
    after = advanced(before, "8", ["3", "7", "8"], gone)
    assert (after.settled, [entry.value for entry in after.pending]) == ("7", ["8"])


def test_each_sign_of_life_alone_is_enough_to_wait():
    for busy in (
        QUIET.model_copy(update={"xmin": 8}),
        QUIET.model_copy(update={"xmax": 10}),
        QUIET.model_copy(update={"there_after": ("3/3",)}),
    ):
        assert advanced(EMPTY, "7", ["7"], busy).settled is None


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


class Source(RuleBasedStateMachine):
    """A database in small: transactions begin, take a value from a clock, get an id, and commit in any order."""

    transactions = Bundle("transactions")

    def __init__(self) -> None:
        super().__init__()
        self.clock = 0
        self.next_xid = 1
        self.open: dict[int, list[int]] = {}
        self.xids: dict[int, int] = {}
        self.committed: set[int] = set()
        self.sink: set[int] = set()
        self.due: set[int] = set()
        self.mark = EMPTY
        self.names = 0

    @rule(target=transactions)
    def begin(self) -> int:
        self.names += 1
        self.clock += 1
        self.open[self.names] = [self.clock]  # now() is fixed before there is a transaction id
        return self.names

    @rule(name=transactions)
    def write(self, name: int) -> None:
        if name in self.open and name not in self.xids:
            self.xids[name] = self.next_xid
            self.next_xid += 1

    @rule(name=consumes(transactions), ok=st.booleans())
    def end(self, name: int, ok: bool) -> None:
        values = self.open.pop(name)
        if self.xids.pop(name, None) is not None and ok:
            self.committed |= set(values)

    @rule(during=st.lists(st.tuples(st.sampled_from(["begin", "commit"]), st.integers(0, 3)), max_size=3))
    def run(self, during: list[tuple[str, int]]) -> None:
        """The three observations in their order, with others at work between them."""
        gone_before = self.virtual_ids()
        self.meanwhile(during[:1])
        view, xmin, view_xmax = set(self.committed), min(self.xids.values(), default=self.next_xid), self.next_xid
        self.due = set(view)
        self.meanwhile(during[1:2])
        there_after = self.virtual_ids()
        self.meanwhile(during[2:])
        seen = Observation(
            gone_before=gone_before, xmin=xmin, view_xmax=view_xmax, xmax=self.next_xid, there_after=there_after
        )
        start = int(self.mark.settled) if self.mark.settled else 0
        self.sink |= {value for value in view if value >= start}
        reached = str(max(view)) if view else None
        values = {self.mark.settled, reached, *(entry.value for entry in self.mark.pending)} - {None}
        self.mark = advanced(self.mark, reached, sorted(values, key=int), seen)

    def virtual_ids(self) -> tuple[str, ...]:
        return tuple(str(name) for name in sorted(self.open))

    def meanwhile(self, steps: list[tuple[str, int]]) -> None:
        for what, which in steps:
            if what == "begin":
                self.names += 1
                self.clock += 1
                self.xids[-self.names] = self.next_xid
                self.next_xid += 1
                self.open[-self.names] = [self.clock]
            elif hidden := [name for name in self.open if name < 0][which:]:
                self.committed |= set(self.open.pop(hidden[0]))
                del self.xids[hidden[0]]

    @invariant()
    def nothing_is_lost(self) -> None:
        assert self.due <= self.sink

    @invariant()
    def nothing_below_the_mark_can_still_come(self) -> None:
        if self.mark.settled is not None:
            low = {value for value in self.committed if value <= int(self.mark.settled)}
            assert low <= self.sink
            assert all(value > int(self.mark.settled) for values in self.open.values() for value in values)


Source.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestNoRowIsPassedOver = Source.TestCase
