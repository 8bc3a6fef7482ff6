"""One command as a whole process: wall seconds, CPU seconds, peak memory, by the kernel's own accounting."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAMPLE_EVERY_S = 0.05


@dataclass(frozen=True)
class Measured:
    """What one run took.

    Attributes:
        seconds: Wall clock, start of the process to its end.
        cpu_s: User and system CPU of the process and its children.
        peak_mib: Highest sum of resident memory over the process and its children, sampled every 50 ms.
        output: What it printed.
    """

    seconds: float
    cpu_s: float
    peak_mib: float
    output: str


def measured(
    command: Sequence[str], env: Mapping[str, str] | None = None, text: str = "", most_s: float | None = None
) -> Measured:
    """Run a command to its end, with ``text`` as its input, and measure it.

    Raises:
        RuntimeError: It exited with another code than 0, or had not ended after ``most_s`` seconds; the message ends
            with what it printed.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(env or {})},
    )
    peak = _Peak(process.pid)
    patience = threading.Timer(most_s or 0.0, process.kill)
    if most_s is not None:
        patience.start()
    if process.stdin:
        process.stdin.write(text)
        process.stdin.close()
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    patience.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    # Not ru_maxrss: a child that was just forked counts with the memory of this process.
    peak_bytes = peak.stop()
    if process.returncode != 0:
        if most_s is not None and seconds >= most_s:
            raise RuntimeError(f"{command[0]} had not ended after {most_s:.0f} s and was killed")
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {output[-2000:]}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, peak_bytes / 2**20, output)


def cpu_s(process: psutil.Process) -> float:
    """User and system seconds of the process so far, without its children."""
    times = process.cpu_times()
    return float(times.user + times.system)


def mib(process: psutil.Process) -> int:
    """Its resident memory."""
    return int(process.memory_info().rss) >> 20


class _Peak:
    """Samples the resident memory of a process tree in a thread."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._highest = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_EVERY_S):
            self._highest = max(self._highest, self._now())

    def _now(self) -> int:
        total = 0
        try:
            for process in [self._process, *self._process.children(recursive=True)]:
                total += int(process.memory_info().rss)
        except psutil.Error:
            return total
        return total

    def stop(self) -> int:
        """Bytes at the highest sample."""
        self._over.set()
        self._thread.join()
        return self._highest
