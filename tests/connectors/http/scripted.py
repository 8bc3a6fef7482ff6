"""An HTTP server on loopback whose answers are scripted, one per request."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class Answer:
    """Status, body and headers; ``cut`` sends half of the body and resets, ``wait_s`` comes before."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    wait_s: float = 0.0


class Scripted:
    """Gives the answers in turn and the last one for ever; remembers when requests came and how many at once.

    With a certificate, whose key lies beside it, over TLS.
    """

    def __init__(self, *answers: Answer, certificate: Path | None = None) -> None:
        self.answers = list(answers)
        self.arrivals: list[float] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._now = 0
        self.lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"script": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def take(self, path: str, headers: dict[str, str]) -> Answer:
        with self.lock:
            self.arrivals.append(time.monotonic())
            self.paths.append(path)
            self.headers.append(headers)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def gave(self) -> None:
        with self.lock:
            self._now -= 1

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    script: Scripted
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes: the second waited 40 ms for the client

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        answer = self.script.take(self.path, dict(self.headers))
        try:
            time.sleep(answer.wait_s)
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.cut else answer.body)
            self.wfile.flush()
            if answer.cut:
                self.close_connection = True
        except BrokenPipeError:
            self.close_connection = True  # the client did not wait
        finally:
            self.script.gave()

    do_GET = do_POST = _answer  # noqa: N815 - the library calls them so

    def log_message(self, *_: object) -> None:
        """Quiet."""


def repeated(answer: Answer, times: int) -> Iterator[Answer]:
    for _ in range(times):
        yield answer
