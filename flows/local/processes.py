"""Processes that outlive the command that started them: start, look, end. By process id and nothing broader."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.request import ProxyHandler, build_opener

from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

END_TIMEOUT_S = 15.0
LOOPBACK = "127.0.0.1"
INSTANCE_HEADER = "nucleus-instance"
"""In every answer of a server that was started here: a random name by which its starter knows it."""
_COMMAND_LINES = ("flows.local.prefect_server", "prefect worker", "metadata_api")
"""What tells the command line of a process of ours."""


class LastingProcess(subprocess.Popen[bytes]):
    """A process that may outlive the one that started it, which Python then does not warn of."""

    def __del__(self) -> None:
        """Whoever needs its end waits for it by its id."""


_children: dict[int, LastingProcess] = {}
"""What this process started, kept so that it can be waited for."""


def start(name: str, command: Sequence[str], environment: Mapping[str, str], home: Path) -> LastingProcess:
    """Run the command in a session of its own, its output in ``logs/<name>.log`` under ``home``."""
    logs = home / "logs"
    logs.mkdir(exist_ok=True)
    with (logs / f"{name}.log").open("ab") as log:
        started = LastingProcess(
            command, env=environment, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _children[started.pid] = started
    return started


def is_healthy(api_url: str, instance: str | None = None) -> bool:
    """True when the API answers; with ``instance``, only when it is that process of ours and no other program."""
    try:
        with open_url(f"{api_url}/health") as answer:
            return bool(answer.status == 200) and instance in {None, answer.headers[INSTANCE_HEADER]}
    except OSError:
        return False


def open_url(url: str) -> Any:
    """GET an address of ours within two seconds, past any proxy: loopback is not a proxy's business.

    Raises:
        OSError: No answer, or an error as one (``URLError``).
    """
    return build_opener(ProxyHandler({})).open(url, timeout=2)


def end(pids: Mapping[str, int]) -> None:
    """The API and the worker before the server; a process that does not go is killed with its group."""
    for pid in [pids[name] for name in ("api", "worker", "server") if name in pids and not has_ended(pids[name])]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
            if not wait_for_end(pid):
                os.killpg(pid, signal.SIGKILL)
                wait_for_end(pid)
        forget(pid)


def forget(pid: int) -> None:
    """The process has ended and was waited for."""
    _children.pop(pid, None)


def wait_for_end(pid: int) -> bool:
    """Wait for the end; False when the process is still there."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while not has_ended(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return has_ended(pid)


def has_ended(pid: int | None) -> bool:
    """True unless the process lives and is one of ours: after a reboot the number may be anybody's."""
    if pid is None:
        return True
    if pid in _children:
        return _children[pid].poll() is not None
    shown = subprocess.run(["ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return not any(word in shown.stdout for word in _COMMAND_LINES)


def port_of(url: str) -> int:
    """The port in a URL of ours, which has one."""
    return int(url.removesuffix("/api").rpartition(":")[2])


def is_free(port: int) -> bool:
    """True when a server of ours could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def require_free(port: int, option: str) -> None:
    """Raises ConfigInvalidError when another program has the port, and says which option names another one."""
    if not is_free(port):
        raise ConfigInvalidError(
            f"Port {port} on {LOOPBACK} is taken by another program",
            f"Choose another one with {option}, or leave {option} out.",
            field=option,
            port=port,
        )


def free_port() -> int:
    """A TCP port that nobody uses on loopback now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
