"""Stage 2, export: the batches of one slice, with the seconds spent waiting for the source."""

from __future__ import annotations

import time
from collections.abc import Generator
from threading import Event
from typing import TYPE_CHECKING

from contracts.errors import RunStoppedError
from contracts.plan import SliceReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.endpoint import SourceEndpoint
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.staging import Batch


class RunStopped(Exception):  # noqa: N818 - a signal, not an error: somebody asked the run to stop
    """The run was asked to stop between two batches."""


def run_stopped_error() -> RunStoppedError:
    """The typed error of a run that ended before its end, whether it was asked to or its process was killed."""
    return RunStoppedError("The run was stopped before its end", "Run it again: it resumes with the remaining slices.")


class Export:
    """One pass over a slice. Iterate once; ``source_s`` grows as it goes, ``report`` is there at the end."""

    def __init__(
        self,
        source: SourceEndpoint,
        plan: IngestionPlan,
        piece: IngestionSlice,
        view: str | None,
        stop: Event | None = None,
    ) -> None:
        self._batches = source.export(plan, piece, view)
        self._stop = stop or Event()
        self.source_s = 0.0
        self.report = SliceReport()

    def __iter__(self) -> Iterator[Batch]:
        while True:
            if self._stop.is_set():
                raise RunStopped
            started = time.monotonic()
            try:
                batch = next(self._batches)
            except StopIteration as end:
                self.report = end.value or self.report
                return
            finally:
                self.source_s += time.monotonic() - started
            yield batch

    def close(self) -> None:
        """End the reading at the source now; an error that is kept must not keep a connection too."""
        close_batches(self._batches)


def close_batches(batches: Iterator[Batch]) -> None:
    """Close a generator of batches; other iterators hold nothing."""
    if isinstance(batches, Generator):
        batches.close()
