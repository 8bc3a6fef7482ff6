"""What the tests of faults share: something that happens in the middle of a run, and how a run must come through."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from contracts.errors import IngestionError, Retriable
from flows.stages.run import SilentObserver
from tests.exactness.moving import Mover, Pair, assert_equal

if TYPE_CHECKING:
    from collections.abc import Callable


class Once:
    """Does something the given time a place is passed, and never again. Also a fuse: see ``worker``."""

    def __init__(self, action: Callable[[], object], occurrence: int) -> None:
        self._action, self._left = action, occurrence
        self._lock = threading.Lock()

    def at(self, place: str) -> None:
        """Count, and act when it is time."""
        with self._lock:
            self._left -= 1
            now = self._left == 0
        if now:
            self._action()


class AtUpserted(SilentObserver):
    """Acts when slices are in the sink."""

    def __init__(self, once: Once) -> None:
        self._once = once

    def upserted(self, piece: Any, receipt: Any) -> None:
        """One more."""
        self._once.at("upserted")


def survives(mover: Mover, observer: Any, fault: str, healed: Callable[[], None] = lambda: None) -> str:
    """A run that meets the fault ends right or with a retriable error; the next one ends right, and all is equal.

    Returns:
        The code of the error, or nothing when the run ended right in spite of the fault.
    """
    code = code_of(mover, observer)
    healed()
    before = mover.pair.receipts() if code else {}
    if code:
        summary = mover.run()
        assert summary.slices_done_before == len(before), fault
        assert {key: mover.pair.receipts()[key] for key in before} == before, fault
    assert_equal(mover.pair, fault)
    assert readers_left(mover.pair) == "0", fault
    mover.close()
    print(f"{fault}: {code or 'ended right'}")
    return code


def code_of(mover: Mover, observer: Any) -> str:
    """A run that ends right (nothing) or with a retriable error that says what to do (its code)."""
    try:
        mover.run("full", observer)
    except IngestionError as error:
        if not (isinstance(error, Retriable) and error.next_step):
            raise
        return error.code
    return ""


def readers_left(pair: Pair) -> str:
    """Readers of ours that are still in a statement or a transaction at the source."""
    question = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' \
        AND application_name LIKE '%nucleus-reader'"
    deadline = time.monotonic() + 3.0
    while (left := pair.write(question)) != "0" and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
