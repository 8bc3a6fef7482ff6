"""A server that is being restarted is waited for by a run, and reported at once to everybody else."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

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
    # Without the patience of Prefect's own client, a minute, what is left is ours: none outside of a flow.
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}), pytest.raises(ControlPlaneError):
        plane.call("GET", "/health")
    plane.close()


class BusyHandler(HealthHandler):
    """Answers 503, then well, then not at all; counts what it was asked."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        if self.asked > 2:
            self.connection.recv(1)  # nothing, until the caller hangs up
            return
        self.send_response(503 if self.asked == 1 else 200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"true")


def test_callers_that_somebody_waits_for_are_told_soon() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BusyHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{server.server_address[1]}/api"}):
            client = get_client(httpx_settings={"headers": {}}, sync_client=True).__enter__()
        with ControlPlane(client, answer_within_s=5.0) as plane:
            assert plane.call("GET", "/health") is True, "a busy server is asked again"
            plane._answer_within_s = 0.5
            for _ in range(2):
                with pytest.raises(ControlPlaneError, match="does not answer"):
                    plane.call("GET", "/health")
        assert BusyHandler.asked == 3, "the second call was refused without asking"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
