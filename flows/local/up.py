"""``nucleus up`` and ``down``: a Prefect server, a worker, the deployments and the API on loopback, for one person.

Everything lies under one folder (``~/.nucleus``): Prefect's home with its SQLite database, the logs, the key that
encrypts saved secrets (``encryption.key``, mode 0600), the login of the server (``prefect-login``, mode 0600) and
``up.json``, by which other commands find the server.
"""

from __future__ import annotations

from secrets import token_hex
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from contracts.errors import ConfigInvalidError
from flows.local.commands import remove_leftovers
from flows.local.control_plane import LocalControlPlane, read_record, write_record
from flows.local.launch import launch_server_and_worker, start_api, wait_until_healthy
from flows.local.processes import LOOPBACK, end, free_port, has_ended, is_free, is_healthy, port_of, require_free
from flows.prefect_api.client import USE_ANOTHER_HOME, home_folder, running_api

if TYPE_CHECKING:
    from pathlib import Path


def up(
    home: Path | None = None,
    port: int | None = None,
    *,
    worker: bool = True,
    api: bool = False,
    api_port: int | None = None,
    console_open: bool = False,
) -> LocalControlPlane:
    """Start what is not running yet, and leave it running; returns when flows can be run.

    Args:
        home: Folder of everything; NUCLEUS_HOME or ``~/.nucleus`` when None.
        port: Of the server, on 127.0.0.1; when None, the one it had before, or a free one.
        worker: Start a process worker too, and set up pool and deployments.
        api: Start the API too.
        api_port: Of the API, likewise.
        console_open: An API that is started lets callers on this machine use its console without a token.

    Raises:
        ConfigInvalidError: The folder cannot be made or written to, or another program has the port.
        ControlPlaneError: A process ended early or the server did not answer in 180 seconds; what was started is ended.
    """
    home = (home or home_folder()).absolute()
    _require_usable(home)
    running = _still_running(home)
    for name, wanted_port, option in (("server", port, "--port"), ("api", api_port if api else None, "--api-port")):
        if wanted_port is not None and (running is None or name not in running.pids):
            require_free(wanted_port, option)
    wanted = ("server", "worker") if worker else ("server",)
    if running is None or not all(name in running.pids for name in wanted):
        running = _start_missing(home, running, port, worker)
    return _start_api(running, api_port, console_open=console_open) if api and "api" not in running.pids else running


def down(home: Path | None = None) -> bool:
    """End what :func:`up` started, the worker first; False when nothing was running. The addresses are remembered."""
    home = (home or home_folder()).absolute()
    recorded = read_record(home)
    if recorded is None:
        return False
    was_running = running_api(home) is not None
    end(recorded.pids)
    remove_leftovers(home)
    write_record(recorded._replace(pids={}))
    return was_running


def status(home: Path | None = None) -> LocalControlPlane | None:
    """What runs under ``home``, or None."""
    home = (home or home_folder()).absolute()
    api_url = running_api(home)
    return None if api_url is None or not is_healthy(api_url) else read_record(home)


def _require_usable(home: Path) -> None:
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise ConfigInvalidError(
            f"The folder {home} cannot be used: {error.strerror}", USE_ANOTHER_HOME, field="NUCLEUS_HOME"
        ) from error


def _still_running(home: Path) -> LocalControlPlane | None:
    """What is recorded, less the processes that ended; a server that does not answer is ended, and all with it."""
    recorded = read_record(home)
    if recorded is None:
        return None
    running = recorded._replace(pids={name: pid for name, pid in recorded.pids.items() if not has_ended(pid)})
    if "server" in running.pids and not is_healthy(running.api_url):
        down(home)
        return recorded._replace(pids={})
    return running


def _start_missing(home: Path, running: LocalControlPlane | None, port: int | None, worker: bool) -> LocalControlPlane:  # noqa: FBT001
    """Start server and worker where they are missing; the server at its old address: live runs find it again."""
    api_url = f"http://{LOOPBACK}:{port or free_port()}/api"
    if running is not None and ("server" in running.pids or (port is None and is_free(port_of(running.api_url)))):
        api_url = running.api_url
    elif running is not None:  # what is left of it speaks to an address that is somebody else's now
        end(running.pids)
        running = running._replace(pids={})
    before = {} if running is None else running.pids
    pids = dict(before)
    try:
        launch_server_and_worker(home, api_url, pids, worker=worker)
    except BaseException:
        end({name: pid for name, pid in pids.items() if before.get(name) != pid})
        raise
    started = LocalControlPlane(api_url, pids, home, None if running is None else running.nucleus_api_url)
    write_record(started)
    return started


def _start_api(plane: LocalControlPlane, port: int | None, *, console_open: bool) -> LocalControlPlane:
    """Start the API beside what runs, at its old address if nobody took it; when it does not start, the rest stays."""
    if port is None:
        old = None if plane.nucleus_api_url is None else port_of(plane.nucleus_api_url)
        port = old if old is not None and is_free(old) else free_port()
    url = f"http://{LOOPBACK}:{port}"
    instance = token_hex(8)
    process = start_api(plane.home, plane.api_url, port, instance, console_open=console_open)
    pids = {**plane.pids, "api": process.pid}
    with_api = plane._replace(pids=pids, nucleus_api_url=url, console_open=console_open)
    write_record(with_api)
    try:
        wait_until_healthy(process, url, instance, plane.home / "logs" / "api.log")
    except BaseException:
        end({"api": process.pid})
        write_record(plane)
        raise
    return with_api
