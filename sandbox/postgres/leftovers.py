"""What a killed run leaves in a data folder: a pid file, and perhaps processes that still use it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

_PATIENCE_S = 5.0


class OwnerLock:
    """One living owner per data folder; the operating system frees it when the owner dies."""

    def __init__(self, data_folder: Path) -> None:
        self._path = data_folder.with_name(f"{data_folder.name}.lock")
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Become the owner.

        Raises:
            RuntimeError: another living process owns the folder.
        """
        self._file = self._path.open("a")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.free()
            message = f"another running process uses the sandbox that {self._path} stands for: stop that one first"
            raise RuntimeError(message) from error

    def free(self) -> None:
        """Stop being the owner; calling it twice is harmless."""
        if self._file is not None:
            self._file.close()
            self._file = None


def clear(data_folder: Path) -> None:
    """End every Postgres process that still works in the data folder, then remove its pid file.

    A pid in the file that meanwhile belongs to another program is never touched.
    """
    _send(_users_of(data_folder), signal.SIGQUIT)
    deadline = time.monotonic() + _PATIENCE_S
    while _users_of(data_folder) and time.monotonic() < deadline:
        time.sleep(0.02)
    _send(_users_of(data_folder), signal.SIGKILL)
    while _users_of(data_folder) and time.monotonic() < deadline + _PATIENCE_S:
        time.sleep(0.02)
    (data_folder / "postmaster.pid").unlink(missing_ok=True)


def _users_of(data_folder: Path) -> list[int]:
    if Path("/proc/self/cwd").exists():
        return [int(entry.name) for entry in Path("/proc").iterdir() if _works_in(entry, data_folder)]
    pid = _pid_in_file(data_folder)
    return [pid] if pid is not None and str(data_folder) in _command_line(pid) else []


def _works_in(process: Path, data_folder: Path) -> bool:
    # Every Postgres process changes into its data folder when it starts.
    if not process.name.isdigit():
        return False
    try:
        return (process / "cwd").readlink() == data_folder and (process / "comm").read_text().startswith("postgres")
    except OSError:
        return False


def _pid_in_file(data_folder: Path) -> int | None:
    try:
        return int((data_folder / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def _command_line(pid: int) -> str:
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
