"""The two places where a run's slices are carried out: threads of one process, and Prefect tasks in a flow run."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import pytest
from prefect import flow
from prefect.settings import PREFECT_API_URL, PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_HOME, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from flows.execution.tasks import PrefectExecutor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from _pytest.mark import ParameterSet

    from contracts.receipts import RunSummary
    from flows.stages.executor import SliceExecutor
    from flows.stages.run import UnitRun

ExecutorName: TypeAlias = Literal["threads", "prefect"]

PROVE = bool(os.environ.get("NUCLEUS_PROVE"))
"""Every kill, seed and fault on every executor, as `make prove` asks; the suite runs the shorter form of each proof."""


QUICK_DELAYS_S = (0.3, 0.6, 1.2)
"""In place of the delays of the table of retries: as many tries, shorter waits."""


def each_on(*, threads: Iterable[object], prefect: Iterable[object]) -> list[ParameterSet]:
    """Parameters of a test whose values differ by executor: pairs of the executor and a value."""
    on_prefect = [pytest.param("prefect", value, marks=pytest.mark.prefect) for value in prefect]
    return [*(pytest.param("threads", value) for value in threads), *on_prefect]


short_on_threads = pytest.mark.parametrize(
    "executor", ["threads", *([pytest.param("prefect", marks=pytest.mark.prefect)] if PROVE else [])], indirect=True
)
"""For a proof whose fault is met below the executor: on both under `make prove`, in the suite on threads."""


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


def server_environment() -> dict[str, str]:
    """What a process has to be told to run flows on the server of the tests."""
    return {name: value for name, value in os.environ.items() if name.startswith(("PREFECT_", "NUCLEUS_"))}


@contextmanager
def server_of(environment: Mapping[str, str]) -> Iterator[None]:
    """Use that server in a process that had loaded Prefect before it was told."""
    os.environ.update(environment)
    settings = {
        PREFECT_API_URL: environment["PREFECT_API_URL"],
        PREFECT_HOME: Path(environment["PREFECT_HOME"]),
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # it costs a run in process a second
    }
    with temporary_settings(settings):
        yield
