"""``nucleus up``: a Prefect server, a worker, the deployments and the API on loopback, for one person on one machine.

Everything lies under one folder (``~/.nucleus``): Prefect's home with its SQLite database, the logs, the key that
encrypts saved secrets (``encryption.key``, mode 0600) and ``up.json``, by which other commands find the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from contracts.errors import ControlPlaneError
from flows.control_plane import connect, home_folder, running_api, up_file
from flows.processes import LOOPBACK, end, forget, free_port, gone, healthy, start

if TYPE_CHECKING:
    from collections.abc import Iterator

START_TIMEOUT_S = 90.0
ROOT = Path(__file__).resolve().parent.parent

_SERVER: dict[str, str] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # In memory, a restarted server would forget leases and leave their slots taken for good.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # One transaction per event (the default) keeps SQLite so busy that callers get 503 and wait for seconds.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "50",
}


class ControlPlaneNote(NamedTuple):
    """What runs, as ``up.json`` says it."""

    api_url: str
    pids: dict[str, int]
    home: Path
    door_url: str | None = None
    """Of the API (webhook and GraphQL); None where it was not started."""

    @property
    def ui_url(self) -> str:
        """Where a person looks."""
        return self.api_url.removesuffix("/api")


def up(
    home: Path | None = None,
    port: int | None = None,
    *,
    worker: bool = True,
    api: bool = False,
    api_port: int | None = None,
) -> ControlPlaneNote:
    """Start what is not running yet, and leave it running; returns when flows can be run.

    Args:
        home: Folder of everything; NUCLEUS_HOME or ``~/.nucleus`` when None.
        port: Of the server, on 127.0.0.1; a free one when None.
        worker: Start a process worker too, and set up pool and deployments.
        api: Start the API too.
        api_port: Of the API, on 127.0.0.1; a free one when None.

    Raises:
        ControlPlaneError: A process ended early or the server did not answer in 90 seconds; what was started is ended.
    """
    home = (home or home_folder()).absolute()
    if (note := status(home)) is not None and not (worker and gone(note.pids.get("worker"))):
        return _with_api(note, api_port) if api and gone(note.pids.get("api")) else note
    down(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    api_url = f"http://{LOOPBACK}:{port or free_port()}/api"
    pids: dict[str, int] = {}
    try:
        _begin(home, api_url, pids, worker=worker)
    except BaseException:
        end(pids)
        up_file(home).unlink(missing_ok=True)
        raise
    note = ControlPlaneNote(api_url, pids, home)
    _note(note)
    return _with_api(note, api_port) if api else note


def down(home: Path | None = None) -> bool:
    """End what :func:`up` started, the worker first; False when nothing was running."""
    home = (home or home_folder()).absolute()
    try:
        noted = json.loads(up_file(home).read_text())
    except (OSError, ValueError):
        return False
    was_running = running_api(home) is not None
    end({name: int(pid) for name, pid in noted["pids"].items()})
    up_file(home).unlink(missing_ok=True)
    return was_running


def status(home: Path | None = None) -> ControlPlaneNote | None:
    """What runs under ``home``, or None."""
    home = (home or home_folder()).absolute()
    api_url = running_api(home)
    if api_url is None or not healthy(api_url):
        return None
    noted = json.loads(up_file(home).read_text())
    return ControlPlaneNote(api_url, noted["pids"], home, noted.get("door_url"))


@contextmanager
def running_control_plane(home: Path, port: int | None = None, *, worker: bool = True) -> Iterator[ControlPlaneNote]:
    """A control plane of its own while the context is open; this process and its children use it."""
    note = up(home, port, worker=worker)
    try:
        with using(note):
            yield note
    finally:
        down(home)


@contextmanager
def using(note: ControlPlaneNote) -> Iterator[None]:
    """Point this process and its children at the control plane."""
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings  # noqa: PLC0415

    names = {
        "PREFECT_API_URL": note.api_url,
        "PREFECT_HOME": str(note.home / "prefect"),
        "NUCLEUS_HOME": str(note.home),
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        with temporary_settings({PREFECT_API_URL: note.api_url, PREFECT_HOME: note.home / "prefect"}):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def set_up(wait_for: str | None = None) -> None:
    """Blocks, pool, deployments and the zombie automation, on the server in use. Idempotent.

    Args:
        wait_for: API URL of a server that is being started.
    """
    from flows import deployments  # noqa: PLC0415 - loads every flow

    deadline = time.monotonic() + START_TIMEOUT_S
    while wait_for and not healthy(wait_for) and time.monotonic() < deadline:
        time.sleep(0.1)
    with connect() as plane:
        deployments.register_blocks(plane)
    deployments.make_pool()
    deployments.apply()
    deployments.watch_zombies()


def _begin(home: Path, api_url: str, pids: dict[str, int], *, worker: bool) -> None:
    """Start the processes. Setting up begins with seconds of imports: they run while the server starts."""
    environment = _environment(home, api_url)
    secret = {"PREFECT_SERVER_ENCRYPTION_KEY": _encryption_key(home / "encryption.key")}
    server = start("server", _server_command(api_url), {**environment, **_SERVER, **secret}, home)
    pids["server"] = server.pid
    setting_up = start("set-up", _set_up_command(api_url), environment, home) if worker else None
    try:
        _wait_until_healthy(server, api_url, home)
        if setting_up is not None:
            pids["worker"] = start("worker", _worker_command(), environment, home).pid
            _require_success(setting_up, home)
    finally:
        if setting_up is not None:
            setting_up.kill()
            setting_up.wait()
            forget(setting_up.pid)


def _with_api(note: ControlPlaneNote, port: int | None) -> ControlPlaneNote:
    """Start the API beside what runs; when it does not answer in time it is ended, and the rest stays."""
    port = port or free_port()
    url = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "metadata_api", LOOPBACK, str(port)]
    started = start("api", command, _environment(note.home, note.api_url), note.home)
    with_api = note._replace(pids={**note.pids, "api": started.pid}, door_url=url)
    _note(with_api)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not healthy(url):
        if started.poll() is not None or time.monotonic() > deadline:
            end({"api": started.pid})
            _note(note)
            raise ControlPlaneError("The API did not start", f"See {note.home / 'logs' / 'api.log'}.", url=url)
        time.sleep(0.1)
    return with_api


def _environment(home: Path, api_url: str) -> dict[str, str]:
    return {
        **os.environ,
        "DO_NOT_TRACK": "1",
        "NUCLEUS_HOME": str(home),
        "PREFECT_API_URL": api_url,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))),
    }


def _encryption_key(file: Path) -> str:
    """Made once. Whoever has it and the database has the secrets."""
    from cryptography.fernet import Fernet  # noqa: PLC0415 - Prefect brings it

    with suppress(FileExistsError):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as opened:
            opened.write(Fernet.generate_key())
    return file.read_text()


def _server_command(api_url: str) -> list[str]:
    port = api_url.removesuffix("/api").rpartition(":")[2]
    app = ["--factory", "flows.local_server:create_app", "--timeout-keep-alive", "5"]
    return [sys.executable, "-m", "uvicorn", "--host", LOOPBACK, "--port", port, *app]


def _worker_command() -> list[str]:
    return [sys.executable, "-m", "prefect", "worker", "start", "--pool", "nucleus", "--type", "process"]


def _set_up_command(api_url: str) -> list[str]:
    # In a process of its own: this one may have imported Prefect under other settings.
    return [sys.executable, "-c", f"from flows.up import set_up; set_up({api_url!r})"]


def _require_success(setting_up: subprocess.Popen[bytes], home: Path) -> None:
    try:
        code = setting_up.wait(START_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        code = -1
    if code:
        raise ControlPlaneError(
            "The deployments could not be set up", f"See {home / 'logs' / 'set-up.log'}.", home=str(home)
        )


def _wait_until_healthy(server: subprocess.Popen[bytes], api_url: str, home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while not healthy(api_url):
        if server.poll() is not None or time.monotonic() > deadline:
            raise ControlPlaneError(
                "The Prefect server did not start", f"See {home / 'logs' / 'server.log'}.", api_url=api_url
            )
        time.sleep(0.1)


def _note(note: ControlPlaneNote) -> None:
    file = up_file(note.home)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"api_url": note.api_url, "pids": note.pids, "door_url": note.door_url}))
    draft.chmod(0o600)
    draft.replace(file)
