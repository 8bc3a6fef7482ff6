"""Use a local control plane in this process: one that runs, or one that lives as long as a ``with`` block."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.local.commands import CSRF, asks_for_csrf_tokens
from flows.local.up import down, up
from flows.prefect_api.client import LOGIN, saved_login

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.local.control_plane import LocalControlPlane


@contextmanager
def running_control_plane(
    home: Path, port: int | None = None, *, worker: bool = True, console: bool = False
) -> Iterator[LocalControlPlane]:
    """A control plane of its own while the context is open; this process and its children use it.

    With ``console`` the API runs too, and its console asks callers on this machine for no token.
    """
    plane = up(home, port, worker=worker, api=console, console_open=console)
    try:
        with using(plane):
            yield plane
            send_queued_logs()
    finally:
        down(home)


def send_queued_logs() -> None:
    """To be called while the server runs: at exit, Prefect tries for a minute to send logs to one that is gone."""
    from prefect.logging.handlers import APILogHandler  # noqa: PLC0415 - slow to load

    APILogHandler().flush()


@contextmanager
def using(plane: LocalControlPlane) -> Iterator[None]:
    """Point this process and its children at the control plane."""
    from prefect.settings import (  # noqa: PLC0415
        PREFECT_API_AUTH_STRING,
        PREFECT_API_URL,
        PREFECT_CLIENT_CSRF_SUPPORT_ENABLED,
        PREFECT_HOME,
        temporary_settings,
    )

    login = saved_login(plane.home)
    names = {
        **({LOGIN: login} if login else {}),
        CSRF: asks_for_csrf_tokens(),
        "PREFECT_API_URL": plane.api_url,
        "PREFECT_HOME": str(plane.home / "prefect"),
        "NUCLEUS_HOME": str(plane.home),
    }
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        with temporary_settings(
            {
                PREFECT_API_URL: plane.api_url,
                PREFECT_API_AUTH_STRING: login,
                PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: asks_for_csrf_tokens(),
                PREFECT_HOME: plane.home / "prefect",
            }
        ):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
