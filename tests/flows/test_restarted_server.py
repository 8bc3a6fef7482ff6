"""A server that is being restarted is waited for by a run, and reported at once to everybody else."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from contracts.errors import ControlPlaneError
from flows.local.processes import free_port
from flows.prefect_api.client import ControlPlane

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.local.control_plane import LocalControlPlane


class HealthHandler(BaseHTTPRequestHandler):
    """Answers every GET with ``true``."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@contextmanager
def listening_after(delay_s: float, port: int) -> Iterator[None]:
    """A server that starts to listen only after a while."""
    servers: list[HTTPServer] = []

    def listen() -> None:
        servers.append(HTTPServer(("127.0.0.1", port), HealthHandler))
        servers[0].serve_forever()

    timer = threading.Timer(delay_s, listen)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if servers:
            servers[0].shutdown()
        timer.join()
        if servers:
            servers[0].server_close()


def test_a_run_waits_for_a_server_that_restarts(control_plane: LocalControlPlane) -> None:
    port = free_port()
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{port}/api"}):
        plane = ControlPlane(get_client(httpx_settings={"headers": {}}, sync_client=True).__enter__())

    @flow(name="waits-for-the-server")
    def asks() -> Any:
        return plane.call("GET", "/health")

    with listening_after(2.5, port):
        assert asks() is True
    with pytest.raises(ControlPlaneError):
        plane.call("GET", "/health")
    plane.close()
