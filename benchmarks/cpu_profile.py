"""Where a process of ours spends its CPU: by the innermost function of this repository, and what it called.

``python -m benchmarks.cpu_profile FILE WORDS…`` is ``nucleus WORDS…``, and writes the seconds to ``FILE`` as JSON. The
kernel is asked fifty times a second what each thread has spent, which it counts in hundredths of a second, and that is
given to where the thread is then. What threads without Python spent (those of polars, of Arrow) is one line.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
EVERY_S = 0.02
NATIVE, ITSELF = "threads of libraries, without Python", "the profile itself"
START = "starting, ending, and threads too short to be seen"
_LIBRARIES = "site-packages"


class CpuProfile:
    """Samples the threads of this process while its context lasts.

    Attributes:
        seconds: CPU by place since the process began, the largest first.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._found: Counter[str] = Counter()
        self._before: dict[int, float] = {}
        self._process = psutil.Process()
        self._over = threading.Event()
        self._sampler = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._found[START] = time.process_time()
        self._look(count=False)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._sampler.join()
        self._found[START] += max(0.0, time.process_time() - self._found.total())
        self.seconds = dict(self._found.most_common())

    def _sample(self) -> None:
        while not self._over.wait(EVERY_S):
            self._look(count=True)

    def _look(self, *, count: bool) -> None:
        frames = sys._current_frames()  # noqa: SLF001 - documented, for debuggers and profilers
        ours = {each.native_id: frames.get(each.ident or 0) for each in threading.enumerate()}
        for thread in self._process.threads():
            now = thread.user_time + thread.system_time
            spent = now - self._before.get(thread.id, 0.0)
            self._before[thread.id] = now
            if count and spent > 0:
                frame = ours.get(thread.id)
                where = ITSELF if thread.id == self._sampler.native_id else place_of(frame) if frame else NATIVE
                self._found[where] += spent


def place_of(frame: FrameType) -> str:
    """``room/file.py function`` of the innermost frame of ours; behind ``>`` the library it is in, if it is in one."""
    called = ""
    within: FrameType | None = frame
    while within is not None:
        file = within.f_code.co_filename
        if _LIBRARIES in file:
            called = file.rpartition(f"{_LIBRARIES}/")[2].partition("/")[0]
        elif file.startswith(str(ROOT)):
            name = f"{Path(file).relative_to(ROOT)} {within.f_code.co_name}"
            return f"{name} > {called}" if called else name
        within = within.f_back
    return f"outside of ours > {called}" if called else "outside of ours"


def table_of(titled: str, seconds: dict[str, float], most: int = 12) -> Table:
    """The largest, and the rest as one."""
    total = sum(seconds.values())
    table = Table(title=f"{titled}: {total:.1f} s of CPU")
    for heading in ("where", "CPU s", "%"):
        table.add_column(heading, justify="left" if heading == "where" else "right")
    largest = sorted(seconds.items(), key=lambda each: -each[1])[:most]
    rest = total - sum(spent for _, spent in largest)
    for where, spent in [*largest, ("all else", rest)]:
        table.add_row(where, f"{spent:.2f}", f"{100 * spent / total:.0f}")
    return table


def main(arguments: Sequence[str]) -> None:
    """As above."""
    from cli.main import app  # noqa: PLC0415 - what it loads is counted as starting

    file, *words = arguments
    profile = CpuProfile()
    try:
        with profile:
            app(words)
    finally:
        Path(file).write_text(json.dumps(profile.seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
