"""``nucleus up``: a Prefect server, a worker, the deployments and the API on loopback, for one person on one machine.

Everything lies under one folder (``~/.nucleus``): Prefect's home with its SQLite database, the logs, the key that
encrypts saved secrets (``encryption.key``, mode 0600) and ``up.json``, by which other commands find the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from contracts.errors import ControlPlaneError
from flows.local.commands import (
    SERVER,
    api_command,
    encryption_key,
    environment,
    server_command,
    set_up_command,
    worker_command,
)
from flows.local.processes import LOOPBACK, end, forget, free_port, gone, healthy, is_free, port_of, start
from flows.prefect_api.client import connect, home_folder, running_api, up_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_TIMEOUT_S = 90.0


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
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = _still_running(home)
    wanted = ("server", "worker") if worker else ("server",)
    is_whole = held is not None and all(name in held.pids for name in wanted)
    note = held if held is not None and is_whole else _started(home, held, port, worker)
    return _with_api(note, api_port) if api and "api" not in note.pids else note


def _still_running(home: Path) -> ControlPlaneNote | None:
    """What is noted, without the processes that are gone; a server that hangs is ended, and all others with it."""
    noted = _read(home)
    if noted is None:
        return None
    alive = noted._replace(pids={name: pid for name, pid in noted.pids.items() if not gone(pid)})
    if "server" in alive.pids and not healthy(alive.api_url):
        down(home)
        return None
    return alive


def _started(home: Path, held: ControlPlaneNote | None, port: int | None, worker: bool) -> ControlPlaneNote:  # noqa: FBT001
    """Start server and worker where they are missing; the server where it was, so that runs at work find it again."""
    api_url = f"http://{LOOPBACK}:{port or free_port()}/api"
    if held is not None and ("server" in held.pids or (port is None and is_free(port_of(held.api_url)))):
        api_url = held.api_url
    elif held is not None:  # what is left of it speaks to an address that is somebody else's now
        end(held.pids)
        held = None
    before = {} if held is None else held.pids
    pids = dict(before)
    try:
        _begin(home, api_url, pids, worker=worker)
    except BaseException:
        end({name: pid for name, pid in pids.items() if before.get(name) != pid})
        if not before:
            up_file(home).unlink(missing_ok=True)
        raise
    note = ControlPlaneNote(api_url, pids, home, None if held is None else held.door_url)
    _note(note)
    return note


def down(home: Path | None = None) -> bool:
    """End what :func:`up` started, the worker first; False when nothing was running."""
    home = (home or home_folder()).absolute()
    noted = _read(home)
    if noted is None:
        return False
    was_running = running_api(home) is not None
    end(noted.pids)
    up_file(home).unlink(missing_ok=True)
    return was_running


def status(home: Path | None = None) -> ControlPlaneNote | None:
    """What runs under ``home``, or None."""
    home = (home or home_folder()).absolute()
    api_url = running_api(home)
    return None if api_url is None or not healthy(api_url) else _read(home)


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
    shared = environment(home, api_url)
    secret = {"PREFECT_SERVER_ENCRYPTION_KEY": encryption_key(home / "encryption.key")}
    server = None
    if "server" not in pids:
        server = start("server", server_command(api_url), {**shared, **SERVER, **secret}, home)
        pids["server"] = server.pid
    setting_up = start("set-up", set_up_command(api_url), shared, home) if worker else None
    try:
        if server is not None:
            _wait_until_healthy(server, api_url, home)
        if setting_up is not None:
            if "worker" not in pids:
                pids["worker"] = start("worker", worker_command(), shared, home).pid
            _require_success(setting_up, home)
    finally:
        if setting_up is not None:
            setting_up.kill()
            setting_up.wait()
            forget(setting_up.pid)


def _with_api(note: ControlPlaneNote, port: int | None) -> ControlPlaneNote:
    """Start the API beside what runs; when it does not answer in time it is ended, and the rest stays."""
    if port is None:
        held = None if note.door_url is None else port_of(note.door_url)
        port = held if held is not None and is_free(held) else free_port()
    url = f"http://{LOOPBACK}:{port}"
    started = start("api", api_command(port), environment(note.home, note.api_url), note.home)
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


def _read(home: Path) -> ControlPlaneNote | None:
    """What was started under ``home`` and is noted, whether it still runs or not."""
    try:
        noted = json.loads(up_file(home).read_text())
        pids = {str(name): int(pid) for name, pid in noted["pids"].items()}
        return ControlPlaneNote(str(noted["api_url"]), pids, home, noted.get("door_url"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _note(note: ControlPlaneNote) -> None:
    file = up_file(note.home)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"api_url": note.api_url, "pids": note.pids, "door_url": note.door_url}))
    draft.chmod(0o600)
    draft.replace(file)
