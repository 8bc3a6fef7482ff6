"""What a run shows in the Prefect UI. Counters and names only: never rows (the preview excepted), never secrets.

An artifact that cannot be written is a line in the log and no failure of the run.
"""

from __future__ import annotations

import re
import shlex
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)

from flows.stages.run import SilentObserver
from flows.stages.waits import throttling_from_now, waited, waits_in_words

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Sequence
    from uuid import UUID

    from contracts.endpoint import SourceEndpoint
    from contracts.errors import IngestionError
    from contracts.plan import IngestionPlan, IngestionSlice
    from contracts.receipts import RunRef, RunSummary, StageReceipt, Throttling, UpsertReceipt
    from contracts.staging import StagingHandle
    from flows.prefect_api.client import ControlPlane
    from flows.stages.plan import OpenRun

RunLog: TypeAlias = "logging.Logger | logging.LoggerAdapter[logging.Logger]"
"""What a flow run logs with."""

PLAN_ROWS = 200
_STAGED_IN = re.compile(r"Staged in (?:\| )?`([^`]+)`")
UPDATE_EVERY_S = 2.0
MIB = 1024 * 1024


class RunArtifacts(SilentObserver):
    """The artifacts of one run of a unit: plan, progress bar, what was staged, summary with where.

    Each is a call of the API, which many small runs feel: a run of one slice has no progress bar (unless it tries
    again) and no table of what was staged, and as a part of an endpoint's run no plan either (its line is in that
    run's table of units).

    Args:
        ref: What is run.
        log: The flow run's.
        is_part: It is one of the units of an endpoint's run.
    """

    def __init__(self, ref: RunRef, log: RunLog, *, is_part: bool = False) -> None:
        self._ref, self._log, self._is_part = ref, log, is_part
        self._progress_id: UUID | None = None
        self._staged: list[dict[str, Any]] = []
        self._staged_at: StagingHandle | None = None
        self._staged_in: str | None = None
        self._slices = self._slices_done = self._rows = self._bytes = 0
        self._updated_at = self._began_at = time.monotonic()
        self._retries = 0
        self._throttling: Callable[[], Throttling | None] = lambda: None

    def reads_from(self, source: SourceEndpoint) -> None:
        """Whose pauses the progress shows from now on."""
        self._throttling = throttling_from_now(source)

    def opened(self, opened: OpenRun) -> None:
        """A table of the plan's first slices, and the progress bar."""
        plan, receipts = opened.plan, [each for each in opened.done.values() if not each.is_census]
        self._slices, self._slices_done = len(plan.slices), len(receipts)
        self._rows = sum(receipt.rows_staged for receipt in receipts)
        self._bytes = sum(receipt.bytes_staged for receipt in receipts)
        with _logged_only(self._log):
            if self._slices > 1 or not self._is_part:
                lines = [_plan_line(piece) for piece in plan.slices[:PLAN_ROWS]]
                description = _plan_words(self._ref, plan, opened.slices_done)
                create_table_artifact(lines, key=key_of("plan", self._ref), description=description)
            if self._slices > 1:
                self._begin_progress("The plan is made")

    def staged(self, piece: IngestionSlice, receipt: StageReceipt) -> None:
        """Noted for the table of what was staged."""
        handle = self._staged_at = receipt.handle
        self._staged_in = self._staged_in or staged_in(handle)
        if len(self._staged) < PLAN_ROWS:
            size = round(handle.bytes / MIB, 2)
            line = {"slice": piece.sequence, "key": piece.key, "rows": handle.rows, "MiB": size, "session": handle.key}
            self._staged.append(line)

    def upserted(self, piece: IngestionSlice, receipt: UpsertReceipt) -> None:  # noqa: ARG002 - the observer's
        """The progress so far, updated at most every two seconds and when the last slice is in."""
        self._slices_done += 1
        self._rows += receipt.rows_staged
        self._bytes += receipt.bytes_staged
        self._show_progress(now=self._slices_done >= self._slices)

    def retried(self, piece: IngestionSlice, error: Exception, delay_s: float) -> None:  # noqa: ARG002 - the observer's
        """How often something was tried again; a run of one slice has its progress bar from the first time on."""
        self._retries += 1
        if self._progress_id is not None:
            self._show_progress()
            return
        with _logged_only(self._log):
            self._begin_progress(self._progress_words())

    def _begin_progress(self, words: str) -> None:
        created = create_progress_artifact(self._percent, key=key_of("progress", self._ref), description=words)
        self._progress_id = cast("UUID", created)

    def _show_progress(self, *, now: bool = False) -> None:
        if self._progress_id is None or (not now and time.monotonic() - self._updated_at < UPDATE_EVERY_S):
            return
        self._updated_at = time.monotonic()
        with _logged_only(self._log):
            update_progress_artifact(self._progress_id, self._percent, description=self._progress_words())

    def _progress_words(self) -> str:
        rate = self._rows / max(time.monotonic() - self._began_at, 0.001)
        waits = "".join(f", {each}" for each in waits_in_words(self._retries, self._throttling()))
        return (
            f"{self._slices_done:,} of {max(self._slices, self._slices_done):,} slices, {self._rows:,} rows, "
            f"{self._bytes / MIB:,.1f} MiB staged, {rate:,.0f} rows/s{waits}"
        )

    def show_summary(self, summary: RunSummary) -> None:
        """The run in a table."""
        with _logged_only(self._log):
            markdown = summary_markdown(summary, self._staged_in)
            create_markdown_artifact(markdown, key=key_of("summary", self._ref), description=summary_words(summary))

    def show_failure(self, error: IngestionError) -> None:
        """The error where a success would have its summary."""
        with _logged_only(self._log):
            markdown = failure_markdown(self._ref, error, self._staged_in)
            said = f"{self._ref} failed: {error.code}"
            create_markdown_artifact(markdown, key=key_of("summary", self._ref), description=said)

    def show_staged(self) -> None:
        """What this run staged, in a table; also of a run that ended early."""
        if self._staged_at is None or len(self._staged) < 2:
            return
        with _logged_only(self._log):
            create_table_artifact(
                self._staged, key=key_of("staged", self._ref), description=_staged_words(self._ref, self._staged_at)
            )

    @property
    def _percent(self) -> float:
        return min(100.0 * self._slices_done / self._slices, 100.0) if self._slices else 100.0


class RunProgress(NamedTuple):
    """How far a run has come, as its progress artifact says."""

    percent: float
    words: str


def progress_of(plane: ControlPlane, ref: RunRef, flow_run_id: str) -> RunProgress | None:
    """The latest progress of that flow run; None before its plan is made, and of a plan of one slice.

    Raises ControlPlaneError.
    """
    artifact = plane.call("GET", f"/artifacts/{key_of('progress', ref)}/latest")
    if artifact is None or artifact.get("flow_run_id") != flow_run_id:
        return None
    return RunProgress(float(artifact.get("data") or 0.0), str(artifact.get("description") or ""))


def staged_place(plane: ControlPlane, ref: RunRef, flow_run_id: str) -> str | None:
    """The URL of the folder that the flow run staged in, as its summary says; None where it says none.

    Raises ControlPlaneError.
    """
    artifact = plane.call("GET", f"/artifacts/{key_of('summary', ref)}/latest")
    if artifact is None or artifact.get("flow_run_id") != flow_run_id:
        return None
    found = _STAGED_IN.search(str(artifact.get("data") or ""))
    return found.group(1) if found else None


def key_of(kind: str, ref: RunRef) -> str:
    """The artifact's key: one series per kind and (endpoint, unit, sink)."""
    return key_of_words(kind, ref.endpoint_id, ref.unit_id, ref.sink_id)


def key_of_words(*words: str) -> str:
    """An artifact's key of these words: lower-case letters, digits and dashes, as Prefect wants it."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")


def summary_markdown(summary: RunSummary, staged_in: str | None = None) -> str:
    """The run in a table, where it was staged, and its watermarks."""
    lines = [("Mode", f"{summary.mode}, {summary.strategy}{', resumed' if summary.resumed else ''}")]
    lines += [("Slices", f"{summary.slices_done:,} of {summary.slices_planned:,} in this run")]
    lines += [
        (name.removeprefix("rows_").capitalize(), f"{getattr(summary, name):,} rows")
        for name in type(summary).model_fields
        if name.startswith("rows_") and getattr(summary, name) is not None
    ]
    lines += [("Received", f"{summary.rows_staged:,} rows")] if summary.rows_expected is not None else []
    lines += [("Staged", f"{summary.bytes_staged / MIB:,.1f} MiB"), ("Took", f"{summary.seconds:,.1f} s")]
    lines += [("Staged in", f"`{staged_in}`")] if staged_in else []
    lines += [("Waited", waits)] if (waits := waited(summary)) else []
    lines += [(f"… {stage}", f"{seconds:,.2f} s") for stage, seconds in summary.seconds_by_stage.items()]
    lines += [(f"Watermark {when}", f"`{_cell(value)}`") for when, value in _watermarks(summary)]
    table = "\n".join(f"| {name} | {_cell(value)} |" for name, value in lines)
    gaps = "".join(f"\n- {line}" for line in summary.gaps)
    note = f"\n\n**Not complete** (the unit's policy allows it):{gaps}" if summary.gaps else ""
    note += "".join(f"\n\n**Note:** {line}" for line in summary.notes)
    return f"# {summary.ref}\n\n| | |\n|---|---|\n{table}{note}\n"


def summary_words(summary: RunSummary) -> str:
    """The run in one sentence."""
    gaps = f", {len(summary.gaps)} gap(s)" if summary.gaps else ""
    changed = f"{summary.rows_inserted:,} inserted, {summary.rows_updated:,} updated, {summary.rows_deleted:,} deleted"
    return f"{summary.ref}: {summary.rows_read:,} rows read, {changed} in {summary.seconds:,.1f} s{gaps}."


def failure_markdown(ref: RunRef, error: IngestionError, staged_in: str | None = None) -> str:
    """The error: what happened, what to do next, and where it was staged."""
    next_step = f"\n\n**Next:** {error.next_step}" if error.next_step else ""
    staged = f"\n\nStaged in `{staged_in}`" if staged_in else ""
    return f"# {ref}\n\n**Failed, `{error.code}`:** {error.what}{next_step}{staged}\n"


def staged_in(handle: StagingHandle) -> str | None:
    """A URL of the run's folder in staging; None where there is nothing to look at."""
    # The run's sessions lie together, two levels above a try of a slice.
    run_prefix = "/".join(handle.key.rstrip("/").split("/")[:-2])
    roots = {"local": f"file://{handle.bucket.rstrip('/')}/", "s3": f"s3://{handle.bucket}/"}
    root = roots.get(handle.provider)
    return None if root is None else f"{root}{run_prefix}/"


def command_to_look_at(handle: StagingHandle) -> str | None:
    """A shell command that prints the rows of a staged session; None where nobody else can look."""
    roots = {"local": f"{handle.bucket.rstrip('/')}/", "s3": f"s3://{handle.bucket}/"}
    root = roots.get(handle.provider)
    if root is None:
        return None
    code = "import sys, polars; print(polars.read_parquet(sys.argv[1]))"
    return shlex.join(["python", "-c", code, f"{root}{handle.key}*.parquet"])


def _staged_words(ref: RunRef, handle: StagingHandle) -> str:
    command = command_to_look_at(handle)
    inside = "It is in the memory of the run's process and gone with it."
    if command is not None:
        inside = f"Look inside a session, for example the last one:\n\n```sh\n{command}\n```\n"
    listed = f"`nucleus staging list --endpoint {ref.endpoint_id}` lists what is still there."
    return f"What the run of {ref} staged; the first {PLAN_ROWS} slices are shown. {listed} {inside}"


def show_table(key: str, rows: Sequence[dict[str, Any]], description: str, log: RunLog) -> None:
    """A table artifact."""
    with _logged_only(log):
        create_table_artifact(list(rows), key=key, description=description)


def _plan_line(piece: Any) -> dict[str, Any]:
    rows = piece.expected_rows if piece.expected_rows is not None else piece.estimated_rows
    size = None if piece.estimated_bytes is None else round(piece.estimated_bytes / MIB, 1)
    return {"slice": piece.sequence, "key": piece.key, "rows (about)": rows, "MiB (about)": size}


def _plan_words(ref: RunRef, plan: IngestionPlan, done: int) -> str:
    more = f" The first {PLAN_ROWS} are shown." if len(plan.slices) > PLAN_ROWS else ""
    finished = f" {done} are in the sink already." if done else ""
    return f"{ref}: {plan.mode}, {len(plan.slices)} slice(s), {plan.strategy}. {plan.reason}{finished}{more}"


def _watermarks(summary: RunSummary) -> list[tuple[str, str]]:
    pairs = (("before", summary.checkpoint_before), ("after", summary.checkpoint_after))
    return [(when, str(value)) for when, value in pairs if value is not None]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


@contextmanager
def _logged_only(log: RunLog) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - showing is not what the run is for
        log.warning("An artifact could not be written: %s", type(error).__name__)
