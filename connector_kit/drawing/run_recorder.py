"""A run as it happens: who worked on which slice, and when."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector_kit.drawing.drawing import Drawing
from connector_kit.drawing.runs import STAGES
from connector_kit.drawing.svg import Sheet, ticks
from connector_kit.drawing.values import duration

if TYPE_CHECKING:
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import RunSummary, StageReceipt, UpsertReceipt
    from flows.stages.plan import OpenRun

_REPORTED_LATE_S = 0.02
"""A result may be handled so long after its step ended."""
_WIDTH, _LEFT, _LANE_PX, _BAR_PX = 900.0, 110.0, 24.0, 16.0


@dataclass(frozen=True)
class Step:
    """A stretch of one worker's time.

    Attributes:
        worker: Which one.
        slice_key: What it worked on.
        sequence: The slice's number.
        stage: ``export`` is waiting for the source, ``stage`` writing to staging, ``upsert`` writing to the sink.
        began_s: Since the run was opened.
        seconds: How long.
    """

    worker: str
    slice_key: str
    sequence: int
    stage: str
    began_s: float
    seconds: float


class RunRecorder:
    """A ``RunObserver`` that records a run's progress; pass it to ``UnitRun`` and show it afterwards."""

    def __init__(self) -> None:
        self.run: OpenRun | None = None
        """The run as it was opened."""
        self.steps: list[Step] = []
        """In the order in which they ended."""
        self.receipts: list[UpsertReceipt] = []
        """Of slices that are in the sink; first those of an earlier process."""
        self.done: RunSummary | None = None
        """None while the run goes on, or when it failed."""
        self._began = time.monotonic()
        self._busy_until: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def plan(self) -> IngestionPlan:
        """The plan that is followed; a ``LookupError`` before there is one."""
        if self.run is None:
            raise LookupError("the run was not opened: there is no plan")
        return self.run.plan

    def opened(self, opened: OpenRun) -> None:
        """Keep the plan and what was done before."""
        self.run, self._began = opened, time.monotonic()
        self.receipts = [receipt for receipt in opened.done.values() if not receipt.is_census]

    def staged(self, piece: IngestionSlice, receipt: StageReceipt) -> None:
        """Keep the time it took at the source and in staging."""
        self._keep(piece, {"export": receipt.source_s, "stage": receipt.stage_s})

    def upserted(self, piece: IngestionSlice, receipt: UpsertReceipt) -> None:
        """Keep the receipt, and the time it took in the sink."""
        self._keep(piece, {"upsert": receipt.seconds})
        with self._lock:
            self.receipts.append(receipt)

    def retried(self, piece: IngestionSlice, error: Exception, delay_s: float) -> None:
        """Counted in the summary."""

    def finished(self, summary: RunSummary) -> None:
        """Keep the counters."""
        self.done = summary

    def _keep(self, piece: IngestionSlice, seconds: dict[str, float]) -> None:
        """Stages that one worker went through one after the other, the last of them until now."""
        with self._lock:
            ended = time.monotonic() - self._began
            began = max(ended - sum(seconds.values()), 0.0)
            worker = self._free_worker(began)
            began = max(began, self._busy_until.get(worker, 0.0))
            for stage, lasted in seconds.items():
                shown = min(lasted, ended - began)
                self.steps.append(Step(worker, piece.key, piece.sequence, stage, began, shown))
                began += shown
            self._busy_until[worker] = began

    def _free_worker(self, began: float) -> str:
        """Results do not name their worker: it is one that had nothing else to do at that time, or another one."""
        free = (name for name, until in self._busy_until.items() if until <= began + _REPORTED_LATE_S)
        return next(free, f"worker {len(self._busy_until) + 1}")


def workers(watch: RunRecorder) -> Drawing:
    """Who did what, and when: a band for each worker, a number for each slice."""
    names = sorted({step.worker for step in watch.steps}, key=lambda name: (len(name), name))
    if not names:
        return Drawing("Nobody worked: every slice was in the sink before.", "Nobody worked.")
    span = max(step.began_s + step.seconds for step in watch.steps)
    sheet, scale = Sheet(_WIDTH, "Workers over time"), (_WIDTH - _LEFT - 10) / max(span, 1e-6)
    bottom = len(names) * _LANE_PX + 2
    for at in ticks(span):
        sheet.line(_LEFT + at * scale, 0, _LEFT + at * scale, bottom, alpha=0.14)
        sheet.text(_LEFT + at * scale, bottom + 13, _moment(at), anchor="middle", px=10.5, alpha=0.6)
    for index, name in enumerate(names):
        sheet.text(0, index * _LANE_PX + 17, f"worker {index + 1}", tip=name)
    for step in watch.steps:
        _draw(sheet, step, names.index(step.worker) * _LANE_PX + 4, scale)
    there = [stage for stage in STAGES if any(step.stage == stage for step in watch.steps)]
    sheet.legend(bottom + 22, [(STAGES[stage], stage) for stage in there])
    plain = "\n".join(
        f"{duration(one.began_s):>8}  {one.stage:<7} {one.slice_key}  {duration(one.seconds)}" for one in watch.steps
    )
    slices = len({step.slice_key for step in watch.steps})
    return Drawing(sheet.done(), plain, f"{slices} slices, {len(names)} workers, {duration(span)}")


def _draw(sheet: Sheet, step: Step, y: float, scale: float) -> None:
    x, width = _LEFT + step.began_s * scale, max(step.seconds * scale, 1.0)
    tip = f"slice {step.slice_key}\n{step.stage}: {duration(step.seconds)}"
    sheet.box(x, y, width, _BAR_PX, STAGES[step.stage], alpha=0.85, tip=tip)
    if width > 24:
        sheet.text(x + width / 2, y + 12, str(step.sequence), anchor="middle", px=11, colour="#ffffff")


def _moment(at: float) -> str:
    return f"{at * 1000:.0f} ms" if 0 < at < 1 else f"{at:g} s"
