"""Free ports, and processes that end when the process that started them does."""

from __future__ import annotations

import socket
import subprocess
from contextlib import suppress

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A TCP port that nothing listens on at this moment (another program may still take it first)."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def accepts_connections(port: int) -> bool:
    """Whether something answers on the loopback port within a second."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def end(process: subprocess.Popen[bytes], patience_s: float = 5.0) -> None:
    """Ask the process to end, insist after `patience_s`, and reap it. An ended process is left alone."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()


def on_owner_death(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a shell that runs `script` with `$1…` once this process is gone, however it goes.

    The shell waits on a pipe that only this process holds open; a SIGKILL closes it too. It lives in its
    own session, so Ctrl-C in a terminal does not reach it. Stop it with `end` when it is needed no more.
    """
    command = ["/bin/sh", "-c", f"read -r _ ; {script}", "sandbox-watch", *arguments]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
