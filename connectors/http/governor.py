"""One governor per endpoint: how many requests may be under way, when the next may begin, when to give up.

Every worker's request goes through it, so a pause asked of one worker applies to all. Concurrency goes up by
one per round of good answers and is halved by a throttled one (additive increase, multiplicative decrease, as in RFC
5681). A pause the server asks for stops all workers. Retries use up a budget that good answers fill: a server that
mostly works is retried for as long as it takes, one that mostly fails is given up soon. A pause that is longer than
the endpoint is willing to wait is not waited for: every request ends with an error until it is over.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUDGET = 100.0
"""Retries that may be spent ahead of good answers."""
_REFILL = 1.0


class PauseTooLongError(Exception):
    """The server asked for a longer pause than may be waited for; ``pause_s`` seconds of it are left."""

    def __init__(self, pause_s: float) -> None:
        super().__init__(f"the server asked for a pause, of which {pause_s:.0f} s are left")
        self.pause_s = pause_s


class Governor:
    """Safe between threads.

    Args:
        concurrency: Most requests under way at once.
        pause_s: Mean seconds of the first pause before a retry.
        clock: Monotonic seconds.
        chance: Jitter; seeded in tests.
        max_wait_s: The longest pause that is waited for.
    """

    def __init__(
        self,
        concurrency: int,
        pause_s: float = 0.5,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
        max_wait_s: float = float("inf"),
    ) -> None:
        self._most = concurrency
        self._allowed = float(concurrency)
        self._pause_s, self._max_wait_s = pause_s, max_wait_s
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - jitter
        self._under_way = 0
        self._not_before = 0.0
        self._lowered_at = float("-inf")
        self._bursts = 0
        self._budget = BUDGET
        self._changed = threading.Condition()
        self.waited_s = 0.0
        """Seconds that workers together waited for a turn or a pause."""
        self.paused_s = 0.0
        """Seconds in which no request may begin: pauses that the server asked for, or ours after a throttled answer.
        One that is too long to be waited for does not count."""
        self.retries = 0
        """Requests that :meth:`may_retry` let be sent once more."""

    @property
    def allowed(self) -> int:
        """Requests that may be under way now."""
        return max(1, int(self._allowed))

    @contextmanager
    def turn(self) -> Iterator[float]:
        """Wait for a turn and keep it while the request runs; yields the time it began.

        Raises:
            PauseTooLongError: The server asked for a pause that is not waited for.
        """
        with self._changed:
            began = now = self._clock()
            # One reading of the clock decides: a pause that ends between two would be waited for without an end.
            while (pause := self._not_before - now) > 0 or self._under_way >= self.allowed:
                if pause > self._max_wait_s:
                    raise PauseTooLongError(pause)
                self._changed.wait(pause if pause > 0 else None)
                now = self._clock()
            self.waited_s += now - began
            self._under_way += 1
        try:
            yield self._clock()
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def went_well(self) -> None:
        """A good answer came."""
        with self._changed:
            self._allowed = min(float(self._most), self._allowed + 1.0 / self._allowed)
            self._budget = min(BUDGET, self._budget + _REFILL)
            self._bursts = 0

    def was_throttled(self, began: float, pause_s: float | None) -> None:
        """Too many requests: all workers wait ``pause_s``; answers to one burst lower the limit only once.

        None when the server names no pause: then the pause is ours, longer with every burst since the last good answer.
        """
        with self._changed:
            if began > self._lowered_at:
                self._allowed = max(1.0, self._allowed / 2)
                self._lowered_at = self._clock()
                self._bursts += 1
                if pause_s is None:
                    self._pause(self.backoff_s(self._bursts))
            self._pause(pause_s or 0.0)

    def _pause(self, pause_s: float) -> None:
        now = self._clock()
        until = max(self._not_before, now + pause_s)
        if until - now <= self._max_wait_s:
            self.paused_s += max(until - max(self._not_before, now), 0.0)
        self._not_before = until
        self._changed.notify_all()

    def may_retry(self) -> bool:
        """Pay for one retry; False when the budget is spent."""
        with self._changed:
            if self._budget < 1.0:
                return False
            self._budget -= 1.0
            self.retries += 1
            return True

    def backoff_s(self, tries: int) -> float:
        """Seconds to wait after so many failed tries: around a mean that doubles up to 60 first pauses, with jitter."""
        mean = self._pause_s * min(2.0 ** (tries - 1), 60.0)
        return mean * self._chance.uniform(0.5, 1.5)
