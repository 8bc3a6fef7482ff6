"""An HTTP service on loopback: threads, latency, faults on demand and a log of requests, for stand-ins of vendors.

A stand-in derives from :class:`HttpService` and says what it replies; :class:`HttpFaults` is what may go wrong.
"""

from __future__ import annotations

import http.server
import json
import random
import socket
import struct
import threading
import time
from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from urllib.parse import parse_qs, urlsplit

from sandbox.processes import LOOPBACK
from sandbox.startable import Startable

if TYPE_CHECKING:
    from collections.abc import Callable
    from email.message import Message

Parameters = dict[str, list[str]]
"""A query string: every value by name."""


@dataclass
class HttpReply:
    """A status, a JSON body, headers."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class IncomingRequest:
    """A request as the service sees it; ``target`` is path and query as sent, ``at_once`` how many are under way."""

    method: str
    target: str
    headers: Message
    content: bytes
    at_once: int

    @property
    def path(self) -> str:
        """Without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> Parameters:
        """The query, blank values included."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)


@dataclass(frozen=True)
class LoggedRequest:
    """One request as the log keeps it; ``body`` is its JSON, None where it is none."""

    method: str
    path: str
    query: Parameters
    body: Any
    status: int
    at_once: int
    began_s: float
    """On the monotonic clock."""


@dataclass
class HttpFaults:
    """What goes wrong, by chance or by order. Chances are of each request; ``fail_next`` comes first.

    Attributes:
        throttled: Chance of 429.
        retry_after_s: Sent with every 429; not sent when None.
        failing: Chance of 500, 502 or 503.
        cut: Chance of a connection that breaks in the middle of the body.
        corrupt: Chance of a body that is shortened but has a matching Content-Length.
        fail_next: (status, beginning of ``path?query``) of requests to come that fail, each once.
    """

    seed: int = 1
    throttled: float = 0.0
    retry_after_s: float | None = None
    failing: float = 0.0
    cut: float = 0.0
    corrupt: float = 0.0
    fail_next: list[tuple[int, str]] = field(default_factory=list)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - repeatable


FaultsT = TypeVar("FaultsT", bound=HttpFaults)


class HttpService(Startable, Generic[FaultsT]):
    """Starts with the context, ends with it.

    Args:
        faults: What goes wrong.
        latency_s: Each reply takes at least so long.
    """

    api_prefix = ""
    """Left out of paths when ``fail_next`` is looked at."""

    def __init__(self, faults: FaultsT, latency_s: float) -> None:
        self.faults, self.latency_s = faults, latency_s
        self.expired = False
        """True: the token is no longer accepted."""
        self.requests: list[LoggedRequest] = []
        self.on_request: Callable[[str], object] = lambda _target: None
        """Called with what :meth:`observed` says of a request, before each reply."""
        self.lock = threading.Lock()
        self._at_once = 0
        self._server = _ThreadingServer((LOOPBACK, 0), type("Handler", (_RequestHandler,), {"service": self}))
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}"
        self._thread: threading.Thread | None = None

    @abstractmethod
    def reply(self, request: IncomingRequest) -> HttpReply:
        """What the service replies when nothing goes wrong."""

    @abstractmethod
    def failed(self, status: int, message: str) -> HttpReply:
        """A refusal or a failure, in the service's shape."""

    def limited(self, request: IncomingRequest) -> HttpReply | None:  # noqa: ARG002 - for services with limits
        """The reply to a request that is too many by the service's own limits."""
        return None

    def throttled(self) -> HttpReply:
        """429, with the pause that is asked for."""
        reply, pause = self.failed(429, "too many requests"), self.faults.retry_after_s
        if pause is not None:
            reply.headers["Retry-After"] = f"{pause:.0f}"
        return reply

    def observed(self, request: IncomingRequest) -> str:
        """What ``on_request`` is given: path and query."""
        return request.target

    def clock(self) -> str | None:
        """The ``Date`` header; None for this machine's clock."""
        return None

    def requests_to(self, part: str) -> list[LoggedRequest]:
        """Requests whose path holds ``part``."""
        with self.lock:
            return [one for one in self.requests if part in one.path]

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

    def respond(self, method: str, target: str, headers: Message, content: bytes) -> HttpReply:
        """The reply to one request, faults included; the request is in the log afterwards."""
        began = time.monotonic()
        with self.lock:
            self._at_once += 1
            request = IncomingRequest(method, target, headers, content, self._at_once)
        try:
            self.on_request(self.observed(request))
            time.sleep(self.latency_s)
            reply = self._fault(request) or self.reply(request)
        finally:
            with self.lock:
                self._at_once -= 1
        body = _decoded(content)
        entry = LoggedRequest(method, request.path, request.query, body, reply.status, request.at_once, began)
        with self.lock:
            self.requests.append(entry)
        return reply

    def draw(self) -> float:
        """A number by chance, from 0 to 1."""
        with self.lock:
            return self.faults.chance.random()

    def _fault(self, request: IncomingRequest) -> HttpReply | None:
        ordered = self._ordered_status(request.target.removeprefix(self.api_prefix))
        if ordered is not None:
            return self.throttled() if ordered == 429 else self.failed(ordered, "ordered")
        if (reply := self.limited(request)) is not None:
            return reply
        faults, drawn = self.faults, self.draw()
        if drawn < faults.throttled:
            return self.throttled()
        if drawn < faults.throttled + faults.failing:
            with self.lock:
                status = faults.chance.choice((500, 502, 503))
            return self.failed(status, "something went wrong")
        return None

    def _ordered_status(self, target: str) -> int | None:
        with self.lock:
            for index, (status, beginning) in enumerate(self.faults.fail_next):
                if target.startswith(beginning):
                    del self.faults.fail_next[index]
                    return status
        return None


class _ThreadingServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave are no news."""


class _RequestHandler(http.server.BaseHTTPRequestHandler):
    service: HttpService[Any]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _respond(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._send(self.service.respond(self.command, self.path, self.headers, content))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815 - the library's names

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The ``Date`` header."""
        return (self.service.clock() if timestamp is None else None) or super().date_time_string(timestamp)

    def _send(self, reply: HttpReply) -> None:
        faults, drawn = self.service.faults, self.service.draw()
        cut, corrupt = drawn < faults.cut, faults.cut <= drawn < faults.cut + faults.corrupt
        body = reply.body[: len(reply.body) // 2] if corrupt else reply.body
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True


def _decoded(content: bytes) -> Any:
    with suppress(ValueError):
        return json.loads(content) if content else None
    return None
