"""A walk over one place: failures drawn at random, the source changing in between, both sides compared after each run."""

from __future__ import annotations

import os
import signal
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.exactness.moving import seeded
from tests.exactness.proof.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.exactness.processes import RunProcess

PATIENCE_S = 120.0
FAILED = 3
"""Exit code of a worker whose run ended with a typed error, which is the last that it said."""
_RECOVERS_AFTER = 0.6
"""How likely it is that a failure is followed by a run that nothing disturbs, and not by another failure."""
_MOST_TRIES = 400


class Walk(ABC):
    """What differs by place is how a run is started, what is compared, and what can fail.

    Args:
        place: For the report.
        seed: Of every draw; moments within a run are the machine's.
    """

    longest_s = 0.4
    """About what a run takes: kills come within it."""

    def __init__(self, place: str, seed: int) -> None:
        self.tally = Tally(place)
        self.chance = seeded(seed)
        self._failed_at: float | None = None

    @abstractmethod
    def kinds(self) -> Mapping[str, Callable[[], bool]]:
        """Name of a failure to what makes it happen once in a run; False when the run had ended before."""

    @abstractmethod
    def start(self) -> RunProcess:
        """A run in a process of its own, from where the one before ended."""

    @abstractmethod
    def recover(self) -> None:
        """A run that nothing disturbs, and the comparison of both sides."""

    @abstractmethod
    def disturb(self) -> None:
        """Change the source."""

    def go(self, failures: int) -> Tally:
        """Until so many failures have happened; ends with a run that nothing disturbs."""
        kinds = self.kinds()
        order: list[str] = []
        for _ in range(_MOST_TRIES):
            if self.tally.failures.total() >= failures:
                break
            if not order:  # each kind once before any comes again
                order = self.chance.sample(sorted(kinds), len(kinds))
            kind = order.pop()
            try:
                happened = kinds[kind]()
            except AssertionError as error:
                self.tally.broken.append(f"{kind}: {error}")
                break
            if happened:
                self.tally.failures[kind] += 1
                self._failed_at = time.monotonic()
            self.disturb()
            if self.chance.random() < _RECOVERS_AFTER:
                self._recovered()
        if self.tally.failures.total() < failures:
            self.tally.broken.append(f"only {self.tally.failures.total()} of {failures} failures could be made")
        self._recovered()
        return self.tally

    def _recovered(self) -> None:
        self.recover()
        if self._failed_at is not None:
            self.tally.recoveries_s.append(time.monotonic() - self._failed_at)
            self._failed_at = None

    def pause(self) -> None:
        """Some part of a run."""
        time.sleep(self.chance.uniform(0.02, self.longest_s))

    def ready(self, process: RunProcess) -> RunProcess:
        """The process, when it has begun to work."""
        assert process.listen(PATIENCE_S) == "ready", process.said
        return process

    def ended(self, process: RunProcess) -> int:
        """Its exit code; what it said is counted: a success, a typed error that may be retried, nothing of a kill."""
        code = process.wait(PATIENCE_S)
        said = process.said[-1] if process.said else None
        if code == 0:
            self.succeeded(said)
        elif code == -signal.SIGKILL:
            pass
        elif code == FAILED and isinstance(said, dict):
            self.tally.errors[said["code"]] += 1
            if not said["retryable"] and said["code"] != "E_RUN_SUPERSEDED":
                self.tally.broken.append(f"{said['code']} may not be retried: {said['message']}")
        else:
            self.tally.broken.append(f"a run ended with {code} and no error of ours: {said}")
        return code

    def succeeded(self, summary: dict[str, object]) -> None:
        """Count a run that ended with success."""
        self.tally.runs += 1
        self.tally.rows_moved += int(str(summary["rows_staged"]))

    def killed(self) -> bool:
        """SIGKILL at a random moment."""
        process = self.ready(self.start())
        self.pause()
        process.kill()
        return self.ended(process) == -signal.SIGKILL

    def two_at_once(self) -> bool:
        """Two processes begin the same run; one is killed, the other ends by itself: with success, or refused."""
        first, second = self.ready(self.start()), self.ready(self.start())
        self.pause()
        first.kill()
        is_killed = self.ended(first) == -signal.SIGKILL
        self.ended(second)
        return is_killed

    def meets(self, failure: Callable[[], object]) -> bool:
        """Something happens in the middle of a run; False when it had ended before, or when nothing could be done."""
        process = self.ready(self.start())
        self.pause()
        happened = process.is_alive and failure() != 0
        self.ended(process)
        return happened

    def slept_through(self, cut: Callable[[], object]) -> bool:
        """A process is stopped, loses its lines, another one does its work; then it wakes up."""
        sleeper = self.ready(self.start())
        self.pause()
        if not sleeper.is_alive:
            self.ended(sleeper)
            return False
        try:
            os.kill(sleeper.pid, signal.SIGSTOP)
            cut()
            self.ended(self.ready(self.start()))
        finally:
            with suppress(ProcessLookupError):  # it had ended before it was stopped
                os.kill(sleeper.pid, signal.SIGCONT)
        return self.ended(sleeper) != 0
