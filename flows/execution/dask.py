"""An executor on a Dask cluster: each slice is one task that stages and upserts it, in whatever process takes it.

A worker that dies takes its slices with it; Dask gives them to another one, and the window of the run tries again what
Dask gives up. Either way a slice can be carried out twice: the sink's receipts decide that it counts once.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from contracts.errors import ConfigInvalidError, DependencyMissingError, RunStoppedError
from flows.execution.tasks import PrefectExecutor, move_slice
from staging.memory import MemoryStaging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefect_dask.task_runners import DaskTaskRunner

    from flows.stages.executor import MovedSlice, SliceContext, SliceStep

SCHEDULER = "NUCLEUS_DASK_SCHEDULER"
"""Environment variable with the address of the scheduler that flows use when they are given none."""
LOST = {"KilledWorker", "FutureCancelledError", "CancelledError", "CommClosedError", "NoWorkerError"}
"""What ``distributed`` raises for a task whose workers are gone (``distributed.scheduler``, ``distributed.client``)."""


class DaskExecutor(PrefectExecutor):
    """A ``SliceExecutor`` inside a flow run, whose slices are carried out by the workers of a Dask cluster.

    Workers need this package, the Prefect API, the source, the sink and the staging area.

    Args:
        staging_id: The staging block that the run uses; the default area when None.
        scheduler: Address of the cluster's scheduler (``tcp://host:8786``); when None, what ``NUCLEUS_DASK_SCHEDULER``
            names, else a cluster of processes on this machine that ends with the run.
        shows_phases: As in ``PrefectExecutor``.
    """

    def __init__(
        self, staging_id: str | None = None, scheduler: str | None = None, *, shows_phases: bool = True
    ) -> None:
        super().__init__(staging_id, shows_phases=shows_phases)
        self._scheduler = scheduler or os.environ.get(SCHEDULER) or None
        self._runner: DaskTaskRunner | None = None

    @contextmanager
    def running(self, context: SliceContext) -> Iterator[None]:
        """Connect to the cluster, or start one.

        Raises:
            ConfigInvalidError: The staging area is in this process, or no scheduler answers.
            DependencyMissingError: prefect-dask is not installed.
        """
        if isinstance(context.staging, MemoryStaging):
            raise ConfigInvalidError(
                "Staging in memory cannot be shared with workers of a Dask cluster", "Use a folder or a bucket."
            )
        runner = _runner(self._scheduler, context.plan.policy.parallel_slices)
        with runner, super().running(context):
            try:
                runner.client.wait_for_workers(1, timeout=60)
            except (OSError, TimeoutError) as error:
                raise ConfigInvalidError(
                    f"No Dask worker answers at {self._scheduler or 'a cluster of this machine'}: {error}",
                    f"Start the scheduler and a worker, or correct the address (dask_scheduler, {SCHEDULER}).",
                ) from error
            self._runner = runner
            try:
                yield
            finally:
                self._runner = None

    def submit(self, step: SliceStep) -> LostWorkerFuture:  # type: ignore[override]
        """A task run of both steps of the slice."""
        if self._runner is None or self._running is None:
            raise RuntimeError("submit() outside of running()")
        run, route = self._running
        return LostWorkerFuture(self._runner.submit(move_slice, {"run": run, "piece": step.piece, "route": route}))


class LostWorkerFuture:
    """A slice on its way; that its worker is gone is an error which is tried again.

    Args:
        future: Prefect's.
    """

    def __init__(self, future: Any) -> None:
        self._future = future

    def add_done_callback(self, fn: Callable[[Any], None], /) -> None:
        """Call ``fn`` from any thread when the slice has ended."""
        self._future.add_done_callback(lambda _: fn(self))

    def result(self) -> MovedSlice:
        """Both receipts; raises what the task raised.

        Raises:
            RunStoppedError: No worker could end the task.
        """
        try:
            return self._future.result()  # type: ignore[no-any-return]
        except BaseException as error:
            if type(error).__name__ not in LOST:
                raise
            raise RunStoppedError(
                f"The workers that took a slice are gone ({type(error).__name__})",
                "Run again: what is in the sink stays. If it happens again, look at the workers' memory and logs.",
            ) from error


def _runner(scheduler: str | None, parallel: int) -> DaskTaskRunner:
    try:
        from prefect_dask.task_runners import DaskTaskRunner  # noqa: PLC0415 - an extra, and slow to load
    except ImportError as error:
        raise DependencyMissingError(
            "Running slices on Dask needs the package prefect-dask",
            "Install it: pip install 'nucleus-ingestion[dask]'.",
        ) from error
    if scheduler is not None:
        return DaskTaskRunner(address=scheduler)
    processes = min(parallel, os.cpu_count() or 1)
    kwargs = {"n_workers": processes, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    return DaskTaskRunner(cluster_kwargs=kwargs)
