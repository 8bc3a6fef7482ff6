"""Watching and stopping a flow that runs in this process, by what its tasks share (``flows.execution.live``)."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from cli.terminal.progress import observe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.terminal.progress import Quiet
    from contracts.receipts import RunRef
    from flows.execution.live import LiveRun

_LOOK_EVERY_S = 0.2


class Watch:
    """Tells an observer what becomes of the run of ``ref``; ``stop`` asks that run to end."""

    def __init__(self, ref: RunRef, observer: Quiet) -> None:
        self.observer = observer
        self._ref = ref
        self._seen = 0
        self._stopping = False

    def stop(self) -> None:
        """Ask the run to end between two batches; one that has not begun yet is stopped when it begins."""
        self._stopping = True
        self.look()

    def look(self) -> None:
        """Tell what is new."""
        live = self._live()
        if live is None:
            return
        if self._stopping:
            live.stop.set()
        if live.opened is None:
            return
        if not self.observer.slices:
            self.observer.opened(live.opened)
            self._seen = len(live.opened.done)
        new = live.receipts[self._seen :]
        self._seen += len(new)
        for receipt in new:
            self.observer.landed(receipt)

    def _live(self) -> LiveRun | None:
        from flows.execution.live import running

        return running(self._ref)


@contextmanager
def watched(ref: RunRef, *, as_json: bool) -> Iterator[Watch]:
    """Look at the run several times a second while the context is open."""
    over = Event()
    with observe(as_json=as_json) as observer:
        watch = Watch(ref, observer)

        def keep_looking() -> None:
            while not over.wait(_LOOK_EVERY_S):
                watch.look()

        looking = Thread(target=keep_looking, name="watch", daemon=True)
        looking.start()
        try:
            yield watch
        finally:
            over.set()
            looking.join()
