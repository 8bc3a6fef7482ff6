"""Which background services of the Prefect server fail: counted inside the server, asked for from outside.

Prefect's scheduler, its automations and its clean-up run as background services of the server. One that raises is tried
again for ever and only the server's log shows it, while the server answers as if all were well. The server of
``nucleus up`` therefore counts, and says so at :data:`SERVICES_PATH`.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts.errors import ServerServiceError
from flows.local.processes import open_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

SERVICES_PATH = "/nucleus/services"
FAILURES_THAT_COUNT = 2
"""In a row. One alone is a busy database more often than a broken service."""
SECOND_TRY_S = 15.0
"""How long ``nucleus up`` waits for services that have just been started, or failed once."""
_CONSEQUENCES = {
    "schedule_deployments": "schedules do not start runs",
    "schedule_recent_deployments": "schedules do not start runs soon after they are set",
    "evaluate_proactive_triggers_periodic": "runs whose process died are not marked as crashed",
    "ReactiveTriggers": "automations do not react",
    "Actions": "automations do nothing",
    "EventPersister": "events of runs are not kept",
    "TaskRunRecorder": "the UI does not show tasks",
    "monitor_expired_leases": "limits held by dead runs are not freed",
}


@dataclass
class _Tally:
    rounds: int | None = None
    """Finished, well or not; None for a service that runs as long as the server."""
    failures: int = 0
    stopped: bool = False
    error: str | None = None


class ServiceMonitor:
    """Counts, for every service, how often it failed in a row. Lives in the server's event loop."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}

    def watch_rounds(self, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The function of a service that is called again and again; a round that returns clears its count."""
        tally = self._tallies.setdefault(function.__name__, _Tally(rounds=0))

        @functools.wraps(function)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                result = await function(*args, **kwargs)
            except Exception as error:
                tally.failures += 1
                tally.error = type(error).__name__
                raise
            else:
                tally.failures, tally.error = 0, None
                return result
            finally:
                tally.rounds = (tally.rounds or 0) + 1

        return watched

    def watch_start(self, name: str, start: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """The function of a service that runs as long as the server; one that raises has stopped for good."""
        tally = self._tallies.setdefault(name, _Tally())

        @functools.wraps(start)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            try:
                return await start(*args, **kwargs)
            except asyncio.CancelledError:
                raise
            except BaseException as error:
                tally.failures, tally.stopped, tally.error = tally.failures + 1, True, type(error).__name__
                raise

        return watched

    def report(self) -> list[dict[str, Any]]:
        """Every watched service: its name and its tally."""
        return [{"service": name, **vars(tally)} for name, tally in sorted(self._tallies.items())]


def failing_services(api_url: str, home: Path | None = None, *, second_try_s: float = 0.0) -> list[ServerServiceError]:
    """What fails on the server, each as an error that names what no longer works; empty when all is well.

    Args:
        api_url: Of the Prefect API. A server that was not started by ``nucleus up`` does not count; nothing is said.
        home: Folder of the server's log, to name it.
        second_try_s: Wait this long for a service whose first round is not over, or that failed once, to be tried.
    """
    deadline = time.monotonic() + second_try_s
    while True:
        report = _ask(api_url)
        undecided = [each for each in report if not _counts(each) and (each["failures"] or each["rounds"] == 0)]
        if not undecided or time.monotonic() >= deadline:
            return [_error(each, home) for each in report if _counts(each)]
        time.sleep(0.5)


def _counts(tally: dict[str, Any]) -> bool:
    return bool(tally["stopped"] or tally["failures"] >= FAILURES_THAT_COUNT)


def _ask(api_url: str) -> list[dict[str, Any]]:
    try:
        with open_url(api_url.removesuffix("/api") + SERVICES_PATH) as answer:
            if answer.headers.get_content_type() != "application/json":  # a plain server shows its UI at any path
                return []
            return list(json.load(answer)["services"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _error(tally: dict[str, Any], home: Path | None) -> ServerServiceError:
    name, failures = str(tally["service"]), int(tally["failures"])
    consequence = _CONSEQUENCES.get(name, "what it does is not done")
    what = "stopped" if tally["stopped"] else f"failed {failures} times in a row"
    log = "the server's log" if home is None else str(home / "logs" / "server.log")
    return ServerServiceError(
        f"The service {name} of the Prefect server {what} ({tally['error']}): {consequence}",
        f"See {log}; `nucleus down` and `nucleus up` start the server again.",
        service=name,
        failures=failures,
        error=tally["error"],
    )
