"""Start the processes of a control plane and wait until they answer; what does not start in time is ended."""

from __future__ import annotations

import subprocess
import time
from secrets import token_hex
from typing import TYPE_CHECKING

from contracts.errors import ControlPlaneError
from flows.local.commands import (
    api_command,
    api_environment,
    environment,
    remove_leftovers,
    server_command,
    server_environment,
    set_up_command,
    worker_command,
    worker_environment,
)
from flows.local.processes import forget, is_healthy, start

if TYPE_CHECKING:
    from pathlib import Path

    from flows.local.processes import LastingProcess

START_TIMEOUT_S = 180.0


def launch_server_and_worker(home: Path, api_url: str, pids: dict[str, int], *, worker: bool) -> None:
    """Start what ``pids`` lacks and add it there; returns when the server answers and the deployments are set up.

    Setting up begins with seconds of imports: they run while the server starts.

    Raises:
        ControlPlaneError: A process ended early, or did not answer in time. What was started is in ``pids``.
    """
    shared = environment(home, api_url)
    server, instance = None, None
    if "server" not in pids:
        instance = token_hex(8)
        server = start("server", server_command(api_url, instance), server_environment(home, api_url), home)
        pids["server"] = server.pid
    setting_up = start("set-up", set_up_command(api_url, instance), shared, home) if worker else None
    try:
        if server is not None and instance is not None:
            wait_until_healthy(server, api_url, instance, home / "logs" / "server.log")
        if setting_up is not None:
            if "worker" not in pids:
                remove_leftovers(home)
                pids["worker"] = start("worker", worker_command(), worker_environment(home, api_url), home).pid
            _require_success(setting_up, home)
    finally:
        if setting_up is not None:
            setting_up.kill()
            setting_up.wait()
            forget(setting_up.pid)


def start_api(home: Path, prefect_api_url: str, port: int, instance: str, *, console_open: bool) -> LastingProcess:
    """The API's process, which does not answer yet."""
    return start("api", api_command(port, instance), api_environment(home, prefect_api_url, console_open), home)


def wait_until_healthy(process: LastingProcess, url: str, instance: str, log: Path) -> None:
    """Return when the process answers at the URL; what another program answers there does not count.

    Raises:
        ControlPlaneError: The process ended, or 180 seconds passed.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while not is_healthy(url, instance):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ControlPlaneError(f"The server at {url} did not start", f"See {log}.", url=url)
        time.sleep(0.1)


def _require_success(setting_up: LastingProcess, home: Path) -> None:
    try:
        code = setting_up.wait(START_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        code = -1
    if code:
        raise ControlPlaneError(
            "The deployments could not be set up", f"See {home / 'logs' / 'set-up.log'}.", home=str(home)
        )
