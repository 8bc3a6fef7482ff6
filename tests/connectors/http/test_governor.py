"""A pause ends for whoever waits for it, at whatever moment that one looks at the clock."""

from __future__ import annotations

from itertools import count
from threading import Thread

import pytest

from connectors.http.governor import Governor, PauseTooLongError


class TickingClock:
    """Each look at it is a moment later than the one before, as it is with every clock."""

    def __init__(self, step_s: float) -> None:
        self._step_s, self._looks = step_s, count()

    def __call__(self) -> float:
        return next(self._looks) * self._step_s


@pytest.mark.parametrize("pause_s", [0.001 * number for number in range(1, 40)])
def test_a_pause_that_ends_between_two_looks_is_over(pause_s: float) -> None:
    governor = Governor(4, clock=TickingClock(0.007))
    governor.was_throttled(0.0, pause_s)

    def takes_a_turn() -> None:
        with governor.turn():
            pass

    waiting = Thread(target=takes_a_turn, daemon=True)
    waiting.start()
    waiting.join(10)
    assert not waiting.is_alive(), "nobody is under way who would wake it"


def test_a_pause_that_is_too_long_is_not_waited_for() -> None:
    governor = Governor(4, clock=TickingClock(0.001), max_wait_s=5.0)
    governor.was_throttled(0.0, 60.0)
    with pytest.raises(PauseTooLongError), governor.turn():
        pass
