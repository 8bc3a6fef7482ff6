"""Ctrl-C that ends work cleanly.

Work runs in a thread of its own and the main thread waits for signals: a database driver that is called in
the main thread takes SIGINT for itself and turns it into an ordinary query error.
"""

from __future__ import annotations

import signal
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from cli.terminal.failures import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

ResultT = TypeVar("ResultT")


def interruptible(
    work: Callable[[], ResultT],
    stop: Callable[[], None] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> ResultT:
    """The result of ``work``. The first SIGINT or SIGTERM calls ``stop`` and waits; the second leaves.

    Args:
        work: What to do.
        stop: Asks the work to end soon; without it the first signal ends the waiting.
        say: Tells the person what is going on.

    Raises:
        Interrupted: A signal ended the waiting before the work was done.
    """
    done: Future[ResultT] = Future()
    requested = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if stop is None or requested.is_set():
            raise KeyboardInterrupt
        requested.set()
        say("Stopping at the next batch; press Ctrl-C again to leave at once.")
        stop()

    with _handled(on_signal):
        threading.Thread(target=_fill, args=(done, work), name="work", daemon=True).start()
        try:
            return done.result()
        except KeyboardInterrupt:
            raise Interrupted from None


def _fill(done: Future[ResultT], work: Callable[[], ResultT]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised again where the result is asked for
        done.set_exception(error)


@contextmanager
def _handled(on_signal: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
