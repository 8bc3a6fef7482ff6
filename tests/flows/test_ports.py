"""`nucleus up` uses no program but its own, whatever answers at the port it was given."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from contracts.errors import ConfigInvalidError, ControlPlaneError
from flows.local import up as control_plane
from flows.local.launch import wait_until_healthy
from flows.local.processes import INSTANCE_HEADER, free_port, is_healthy
from tests.cli.command import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Foreign(BaseHTTPRequestHandler):
    """Somebody else's Prefect server: it is healthy, too."""

    def do_GET(self) -> None:
        body = b"true"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header(INSTANCE_HEADER, "theirs")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def foreign() -> Iterator[int]:
    with served() as port:
        yield port


@contextmanager
def served() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Foreign)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("option", ["--port", "--api-port"])
def test_a_port_that_is_taken_is_refused(foreign: int, tmp_path: Path, option: str) -> None:
    done = process("up", option, str(foreign), "--json", NUCLEUS_HOME=str(tmp_path / "home"), PREFECT_API_URL="")
    assert done.code != 0
    error = done.data["error"]
    assert (error["code"], str(foreign) in error["message"]) == ("E_CONFIG_INVALID", True)
    assert not (tmp_path / "home" / "up.json").exists()


def test_what_another_program_answers_does_not_count(foreign: int, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{foreign}/api"
    assert is_healthy(url, "theirs")
    ours = subprocess.Popen([sys.executable, "-c", "raise SystemExit('address in use')"])
    with ours, pytest.raises(ControlPlaneError, match="did not start"):
        wait_until_healthy(ours, url, "ours", tmp_path / "server.log")


def test_the_same_ports_after_down_unless_somebody_took_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, foreign: int
) -> None:
    """Only the addresses are looked at: nothing is started."""
    asked: list[str] = []
    monkeypatch.setattr(control_plane, "launch_server_and_worker", lambda _home, url, *_, **__: asked.append(url))
    old = free_port()
    for port in (old, foreign):
        ended = {"api_url": f"http://127.0.0.1:{port}/api", "pids": {"server": 2**22 + 1}, "door_url": None}
        (tmp_path / "up.json").write_text(json.dumps(ended))
        control_plane.down(tmp_path)
        control_plane.up(tmp_path)
    assert asked[0] == f"http://127.0.0.1:{old}/api"
    assert asked[1] != f"http://127.0.0.1:{foreign}/api"
    with pytest.raises(ConfigInvalidError, match=str(foreign)):
        control_plane.up(tmp_path / "other", foreign)
