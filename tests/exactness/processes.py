"""Processes of one run each, forked from a server that has loaded everything: so that a kill costs no second of imports.

Nothing of ours has run in the server before it forks, so each process is as new as one that was started by itself.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

_OURS = [
    *("flows.ingest_unit", "tests.exactness.worker", "tests.exactness.jira.worker"),
    *("connectors.postgres.factory", "connectors.jira.factory", "flows.blocks", "polars._utils.parquet"),
    *("connectors.iceberg.sink", "pyiceberg.catalog.sql", "pyarrow.parquet", "pyarrow.dataset"),
]
# What Prefect loads only when a flow runs: half of what a short run would take. A module that is gone is passed over.
_LOADED_BY_RUNS = [
    *("anyio._backends._asyncio", "fastapi", "prefect.concurrency.v1.context", "prefect.engine", "prefect.flow_engine"),
    *("prefect.task_engine", "prefect.telemetry.run_telemetry", "prefect.utilities.visualization"),
]
_PRELOADED = [*_OURS, *_LOADED_BY_RUNS]
_CONTEXT = multiprocessing.get_context("forkserver")
_FAILED = 3
_CRASHED = 4
_PATIENCE_S = 60.0


class RunProcess:
    """``work(order, say)`` in a process of its own; what it says arrives here, in order.

    Attributes:
        said: Everything said so far, as JSON values.
    """

    def __init__(self, work: Callable[[dict[str, Any], Callable[[Any], None]], int], order: dict[str, Any]) -> None:
        _ensure_server()
        self._ours, theirs = _CONTEXT.Pipe(duplex=False)
        self._process = _CONTEXT.Process(target=_run, args=(work, order, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.said: list[Any] = []

    def listen(self, timeout_s: float) -> Any:
        """The next thing it says; None when it has ended instead."""
        assert self._ours.poll(timeout_s), "the process says nothing"
        try:
            self.said.append(self._ours.recv())
        except EOFError:
            return None
        return self.said[-1]

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.is_alive()

    def kill(self) -> None:
        """SIGKILL, now."""
        self._process.kill()

    def wait(self, timeout_s: float) -> int:
        """Its exit code (negative: the signal that ended it); everything it said is in ``said``."""
        deadline = time.monotonic() + timeout_s
        while self.listen(max(deadline - time.monotonic(), 0.0)) is not None:
            pass
        self._process.join(max(deadline - time.monotonic(), 0.1))
        assert self._process.exitcode is not None, "the process does not end"
        self._ours.close()
        return self._process.exitcode


def _run(work: Callable[[dict[str, Any], Callable[[Any], None]], int], order: dict[str, Any], say: Connection) -> None:
    try:
        code = work(order, say.send)
    except BaseException:
        say.send(traceback.format_exc())
        code = _CRASHED
    sys.stdout.flush()
    sys.stderr.flush()
    say.close()
    os._exit(code)


def run_or_kill(
    work: Callable[[dict[str, Any], Callable[[Any], None]], int], order: dict[str, Any], after_s: float | None = None
) -> dict[str, Any] | None:
    """One run in a process, killed ``after_s`` seconds after it is ready; the order goes on from its checkpoint.

    ``work`` says "ready", then the summary. None when the kill came before the run had ended.
    """
    process = RunProcess(work, order)
    assert process.listen(_PATIENCE_S) == "ready"
    if after_s is not None:
        time.sleep(after_s)
        process.kill()
    code = process.wait(_PATIENCE_S)
    if code == -signal.SIGKILL and process.said == ["ready"]:
        return None
    assert code == 0 or after_s is not None, process.said
    summary: dict[str, Any] = process.said[-1]
    order["checkpoint"] = summary["checkpoint_after"]
    return summary


def _ensure_server() -> None:
    """Start the server, once; one polars thread is enough for slices as small as these."""
    before = os.environ.get("POLARS_MAX_THREADS")
    os.environ["POLARS_MAX_THREADS"] = "1"
    try:
        _CONTEXT.set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["POLARS_MAX_THREADS"]
        else:
            os.environ["POLARS_MAX_THREADS"] = before
