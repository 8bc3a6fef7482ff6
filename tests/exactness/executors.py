"""The two places where a run's slices are carried out: threads of one process, and Prefect tasks in a flow run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.execution.tasks import PrefectExecutor

if TYPE_CHECKING:
    from contracts.receipts import RunSummary
    from flows.stages.executor import SliceExecutor
    from flows.stages.run import UnitRun

ExecutorName: TypeAlias = Literal["threads", "prefect"]
EXECUTORS: tuple[ExecutorName, ...] = ("threads", "prefect")


def executor_named(name: ExecutorName) -> SliceExecutor | None:
    """The production executor of that name."""
    if name == "threads":
        return None
    return PrefectExecutor()


def executed(run: UnitRun, name: ExecutorName) -> RunSummary:
    """The run to its end, inside a flow run where its executor needs one; raises what the run raises."""
    if name == "threads":
        return run.execute()
    summaries: list[RunSummary] = []

    @flow(name="exactness", task_runner=ThreadPoolTaskRunner(max_workers=64))  # type: ignore[arg-type]
    def body() -> None:
        summaries.append(run.execute())

    body()
    return summaries[0]
