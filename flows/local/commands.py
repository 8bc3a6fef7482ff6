"""What ``nucleus up`` runs: the command lines of server, worker and API, and the environment they share."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from flows.local.processes import INSTANCE_HEADER, LOOPBACK, port_of
from flows.prefect_api.client import login_file
from flows.prefect_api.loopback import keep_loopback_direct

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
WORKER_FILES = "worker-files"
"""Folder under the home for temporary files of the worker and its runs."""

CSRF = "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED"
"""Whether clients ask for a token before their first write. Each client does: one more call for every run of a unit."""

SERVER: dict[str, str] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # In memory, a restarted server would forget leases and leave their slots taken for good.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # Connections beyond the pool are opened for one call and closed after it: on Postgres as much work as the call.
    "PREFECT_SERVER_DATABASE_SQLALCHEMY_POOL_SIZE": "30",
    # One transaction per event (the default) keeps SQLite so busy that callers get 503 and wait for seconds.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "50",
}


def server_environment(home: Path, api_url: str) -> dict[str, str]:
    """The Prefect server's: what it asks of its callers, and which pages of a browser may call it: only its own."""
    login, port = kept_secret(login_file(home), _new_login), port_of(api_url)
    return {
        **environment(home, api_url),
        **SERVER,
        "PREFECT_SERVER_API_AUTH_STRING": login,
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": f"http://{LOOPBACK}:{port},http://localhost:{port}",
        "PREFECT_SERVER_ENCRYPTION_KEY": kept_secret(home / "encryption.key", _new_encryption_key),
    }


def environment(home: Path, api_url: str) -> dict[str, str]:
    """The environment of every process of ours."""
    keep_loopback_direct()
    return {
        **os.environ,
        "DO_NOT_TRACK": "1",
        "NUCLEUS_HOME": str(home),
        "PREFECT_API_AUTH_STRING": kept_secret(login_file(home), _new_login),
        "PREFECT_API_URL": api_url,
        CSRF: asks_for_csrf_tokens(),
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", "")))),
    }


def asks_for_csrf_tokens() -> str:
    """As the server of ``nucleus up`` wants it: Prefect's own default, which is no protection by such tokens."""
    return os.environ.get("PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED") or "false"


def worker_environment(home: Path, api_url: str) -> dict[str, str]:
    """The worker's: with a folder of its own for temporary files, and heartbeats that show soon that it is gone."""
    folder = home / WORKER_FILES
    folder.mkdir(mode=0o700, exist_ok=True)
    return {**environment(home, api_url), "TMPDIR": str(folder), "PREFECT_WORKER_HEARTBEAT_SECONDS": "10"}


def api_environment(home: Path, api_url: str, console_open: bool) -> dict[str, str]:  # noqa: FBT001
    """The API's: whether its console asks callers on this machine for a token."""
    return {**environment(home, api_url), "NUCLEUS_API_CONSOLE_OPEN": "1" if console_open else ""}


def remove_leftovers(home: Path) -> None:
    """Remove what killed workers left of their runs' environments; no worker of this home is running."""
    for folder in (home / WORKER_FILES).glob("prefect-workspace-attempt-*"):
        shutil.rmtree(folder, ignore_errors=True)


def kept_secret(file: Path, make: Callable[[], str]) -> str:
    """The secret in the file, made when there is none; only its owner reads it."""
    with suppress(FileExistsError):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as opened:
            opened.write(make())
    return file.read_text()


def _new_encryption_key() -> str:
    """Whoever has it and the database has the secrets."""
    from cryptography.fernet import Fernet  # noqa: PLC0415 - Prefect brings it

    return Fernet.generate_key().decode()


def _new_login() -> str:
    return f"nucleus:{token_urlsafe(32)}"


def server_command(api_url: str, instance: str) -> list[str]:
    """The Prefect server, at the address in its URL; its answers carry the name of the instance."""
    app = ["--factory", "flows.local.prefect_server:create_app", "--timeout-keep-alive", "5"]
    app += ["--header", f"{INSTANCE_HEADER}:{instance}"]
    return [sys.executable, "-m", "uvicorn", "--host", LOOPBACK, "--port", str(port_of(api_url)), *app]


def worker_command() -> list[str]:
    """A process worker. Without ``--limit``: with it, a run that is retried while its process ends kills the worker."""
    return [sys.executable, "-m", "prefect", "worker", "start", "--pool", "nucleus", "--type", "process"]


def set_up_command(api_url: str, instance: str | None) -> list[str]:
    """Blocks, pool and deployments; a process of its own, as this one may have loaded Prefect under other settings."""
    return [sys.executable, "-m", "flows.local.set_up", api_url, *([instance] if instance else [])]


def api_command(port: int, instance: str) -> list[str]:
    """The API is a room above this one, so it is started as a program."""
    return [sys.executable, "-m", "metadata_api", LOOPBACK, str(port), "--header", f"{INSTANCE_HEADER}:{instance}"]
