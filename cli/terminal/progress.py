"""What a run does, while it does it: live bars on a terminal, plain lines elsewhere, nothing for programs."""

from __future__ import annotations

import sys
import time
from threading import Lock
from typing import TYPE_CHECKING

import typer

from cli.terminal.output import console_on, mib

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from contracts.plan import IngestionSlice
    from contracts.receipts import RunSummary, StageReceipt, UpsertReceipt
    from flows.stages.plan import OpenRun

_LINE_EVERY_S = 1.0


def observe(*, as_json: bool) -> AbstractContextManager[Quiet]:
    """The observer that fits where the words go; enter it before the run and leave it after."""
    if as_json:
        return Quiet()
    return Bars() if sys.stdout.isatty() and sys.stderr.isatty() else Lines()


class Quiet:
    """Counts and says nothing. Told from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.slices = 0
        self.slices_before = 0
        self.slices_done = 0
        self.rows = 0
        self.bytes_staged = 0
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""

    def opened(self, opened: OpenRun) -> None:
        """The plan is frozen."""
        self.slices, self.slices_before = len(opened.plan.slices), opened.slices_done
        self._began = time.monotonic()

    def staged(self, _piece: IngestionSlice, receipt: StageReceipt) -> None:
        """A slice is in staging."""
        with self._lock:
            self.bytes_staged += receipt.handle.bytes
            self._moved()

    def upserted(self, _piece: IngestionSlice, receipt: UpsertReceipt) -> None:
        """A slice is in the sink."""
        with self._lock:
            self.rows += receipt.rows_staged
            self.slices_done += 1
            self._moved()

    def retried(self, piece: IngestionSlice, error: Exception, delay_s: float) -> None:
        """A step of a slice is tried again: say what went wrong."""
        self._tell(f"slice {piece.key} is tried again in {delay_s:.1f} s: {error}")

    def finished(self, summary: RunSummary) -> None:
        """The run is complete."""

    @property
    def rows_per_s(self) -> float:
        """Rows in the sink per second since the plan was frozen."""
        return self.rows / max(time.monotonic() - self._began, 1e-3)

    @property
    def so_far(self) -> str:
        """How far the run is, for the one who interrupts it."""
        done = self.slices_before + self.slices_done
        return f"{done} of {self.slices} slice(s) are in the sink" if self.slices else "nothing was written yet"

    def _moved(self) -> None:
        """Something was counted; called under the lock."""

    def _tell(self, said: str) -> None:
        """A line that stays."""


class Lines(Quiet):
    """At most one line a second on stderr."""

    def __init__(self) -> None:
        super().__init__()
        self._said_at = 0.0

    def opened(self, opened: OpenRun) -> None:
        """Say what will be done."""
        super().opened(opened)
        plan = opened.plan
        again = f", {opened.slices_done} of them done by an earlier run" if opened.slices_done else ""
        typer.echo(f"{plan.unit.unit_id}: {plan.mode}, {self.slices} slice(s){again}", err=True)

    def _tell(self, said: str) -> None:
        typer.echo(f"  {said}", err=True)

    def _moved(self) -> None:
        if time.monotonic() - self._said_at < _LINE_EVERY_S or not self.slices_done:
            return
        self._said_at = time.monotonic()
        speed = f"{self.rows:,} rows, {self.rows_per_s:,.0f} rows/s, {mib(self.bytes_staged)} staged"
        typer.echo(f"  slice {self.slices_before + self.slices_done}/{self.slices}: {speed}", err=True)


class Bars(Quiet):
    """One live bar on stderr: slices, rows, rows/s, MiB staged, time left."""

    def __init__(self) -> None:
        from rich.progress import (
            BarColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        super().__init__()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            TextColumn("eta"),
            TimeRemainingColumn(),
            console=console_on(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("planning", total=None, facts="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar away; what comes next is the summary or the error."""
        self._progress.stop()

    def opened(self, opened: OpenRun) -> None:
        """Show the plan's slices; a slice counts half when it is staged."""
        super().opened(opened)
        self._steps = 0
        name = f"{opened.plan.unit.unit_id} ({opened.plan.mode})"
        self._progress.update(self._task, description=name, total=2 * len(opened.todo))

    def _tell(self, said: str) -> None:
        self._progress.console.print(said, markup=False, highlight=False)

    def _moved(self) -> None:
        self._steps += 1
        done = self.slices_before + self.slices_done
        speed = f"{self.rows:,} rows  {self.rows_per_s:,.0f} rows/s  {mib(self.bytes_staged)}"
        facts = f"slice {done}/{self.slices}  {speed}"
        self._progress.update(self._task, completed=self._steps, facts=facts)
