"""Somebody who is called back: an HTTP server on loopback that keeps what it was sent."""

from __future__ import annotations

import http.server
import json
import threading
from typing import Any, NamedTuple, Self

from metadata_api.signing import verify
from tests.metadata_api.conftest import KEYS


class Call(NamedTuple):
    headers: dict[str, str]
    body: bytes
    path: str

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def signed_by(self) -> str:
        """Checked as a receiver would, by the recipe."""
        return verify(self.headers, self.body, KEYS).key_id


class Receiver:
    """Answers 200, or the statuses it was told to, one each."""

    def __init__(self, *statuses: int) -> None:
        self.calls: list[Call] = []
        self._statuses = [*statuses]

    def __enter__(self) -> Self:
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = outer._statuses.pop(0) if outer._statuses else 200
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.calls.append(Call(headers, body, self.path))
                self.send_response(status)
                if status in {301, 302, 307}:
                    self.send_header("location", f"{outer.url}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"
