"""The HTTP side: a bearer token, a rate limit, faults on demand, a log of requests."""

from __future__ import annotations

import http.server
import random
import secrets
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlsplit

from sandbox._process import LOOPBACK
from sandbox.openshelf.api import Answer, Api
from sandbox.openshelf.site import ShelfSite

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


@dataclass
class ShelfFaults:
    """What goes wrong, by chance or by order. Chances are of each request; ``fail_next`` comes first.

    Attributes:
        throttled: Chance of 429.
        retry_after_s: Sent with every 429; not sent when None.
        failing: Chance of 500, 502 or 503.
        cut: Chance of a connection that breaks in the middle of the body.
        corrupt: Chance of a body that is cut short but framed as whole.
        most_per_s: More requests than this in one second are 429.
        fail_next: (status, beginning of the path) of requests to come that fail, each once.
        refused: Beginning of ``path?query`` to a status: answered so for as long as it is here.
    """

    seed: int = 1
    throttled: float = 0.0
    retry_after_s: int | None = None
    failing: float = 0.0
    cut: float = 0.0
    corrupt: float = 0.0
    most_per_s: int | None = None
    fail_next: list[tuple[int, str]] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - repeatable


@dataclass(frozen=True)
class Request:
    """One request as the log keeps it."""

    path: str
    query: dict[str, str]
    status: int
    began_s: float
    """On the monotonic clock."""


class SandboxOpenshelf:
    """One service; starts with the context, ends with it.

    Args:
        site: The truth; 400 books by default.
        latency_s: Each answer takes at least so long.
        faults: What goes wrong.
    """

    def __init__(
        self, site: ShelfSite | None = None, *, latency_s: float = 0.0, faults: ShelfFaults | None = None
    ) -> None:
        self.site = site or ShelfSite()
        self.faults = faults or ShelfFaults()
        self.latency_s = latency_s
        self.token = f"shelf-{secrets.token_urlsafe(12)}"
        self.expired = False
        """True: the token does not count any more."""
        self.requests: list[Request] = []
        self.on_request: Callable[[str], None] = lambda _target: None
        """Called with ``path?query`` before each answer."""
        self.api = Api(self.site)
        self.behaviour = self.api.behaviour
        self.lock = threading.Lock()
        self.recent: deque[float] = deque()
        handler = type("Handler", (_Handler,), {"sandbox": self})
        self._server = _Server((LOOPBACK, 0), handler)
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Serve in threads of this process."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def asked(self, path: str) -> list[Request]:
        """Requests of that path."""
        with self.lock:
            return [one for one in self.requests if one.path == path]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    sandbox: SandboxOpenshelf
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer, and note the request."""
        self._handle()

    def do_PATCH(self) -> None:
        """As GET."""
        self._handle()

    def _handle(self) -> None:
        sandbox, parts, began = self.sandbox, urlsplit(self.path), time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        sandbox.on_request(self.path)
        time.sleep(sandbox.latency_s)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        answer = self._fault() or self._answer(parts.path, query, body)
        with sandbox.lock:
            sandbox.requests.append(Request(parts.path, query, answer.status, began))
            drawn = sandbox.faults.chance.random()
        self._send(answer, drawn)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The ``Date`` header: the service's own clock."""
        return format_datetime(self.sandbox.site.now, usegmt=True) if timestamp is None else super().date_time_string()

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _answer(self, path: str, query: dict[str, str], body: bytes) -> Answer:
        given = self.headers.get("Authorization", "")
        if given != f"Bearer {self.sandbox.token}" or self.sandbox.expired:
            return Answer.failed(401, "the token is not valid")
        if self.command == "PATCH":
            return self.sandbox.api.change(path, body)
        return self.sandbox.api.ask(path, query)

    def _fault(self) -> Answer | None:
        faults, now = self.sandbox.faults, time.monotonic()
        with self.sandbox.lock:
            for index, (status, beginning) in enumerate(faults.fail_next):
                if self.path.startswith(beginning):
                    del faults.fail_next[index]
                    return self._throttled() if status == 429 else Answer.failed(status, "ordered")
            recent = self.sandbox.recent
            while recent and recent[0] <= now - 1.0:
                recent.popleft()
            recent.append(now)
            drawn, chosen = faults.chance.random(), faults.chance.choice((500, 502, 503))
        if faults.most_per_s is not None and len(recent) > faults.most_per_s:
            return self._throttled()
        if drawn < faults.throttled:
            return self._throttled()
        if drawn < faults.throttled + faults.failing:
            return Answer.failed(chosen, "something went wrong")
        refused = [status for beginning, status in faults.refused.items() if self.path.startswith(beginning)]
        return Answer.failed(refused[0], "not for you") if refused else None

    def _throttled(self) -> Answer:
        answer, pause = Answer.failed(429, "too many requests"), self.sandbox.faults.retry_after_s
        if pause is not None:
            answer.headers["Retry-After"] = str(pause)
        return answer

    def _send(self, answer: Answer, drawn: float) -> None:
        faults = self.sandbox.faults
        cut, corrupt = drawn < faults.cut, faults.cut <= drawn < faults.cut + faults.corrupt
        body = answer.body[: len(answer.body) // 2] if corrupt else answer.body
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
