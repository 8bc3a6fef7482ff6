"""The HTTP side: authentication as Jira does it, faults on demand, a log of requests."""

from __future__ import annotations

import base64
import http.server
import random
import secrets
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from sandbox._process import LOOPBACK
from sandbox.jira.api import Answer, Api
from sandbox.jira.site import JiraSite, as_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

CLOUD_ID = "11111111-2222-3333-4444-555555555555"
_API = "/rest/api/3"


@dataclass
class JiraFaults:
    """What goes wrong, by chance or by order. Chances are of each request; ``fail_next`` comes first.

    Attributes:
        throttled: Chance of 429.
        retry_after_s: Sent with 429; not sent when None.
        failing: Chance of 500, 502 or 503.
        cut: Chance of a connection that breaks in the middle of the body.
        corrupt: Chance of a body that is cut short but framed as whole.
        most_at_once: More requests than this at once are 429 (a burst limit).
        fail_next: (status, beginning of the path) of requests to come that fail, each once.
    """

    seed: int = 1
    throttled: float = 0.0
    retry_after_s: float | None = None
    failing: float = 0.0
    cut: float = 0.0
    corrupt: float = 0.0
    most_at_once: int | None = None
    fail_next: list[tuple[int, str]] = field(default_factory=list)
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - repeatable


@dataclass(frozen=True)
class Request:
    """One request as the log keeps it."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: Any
    status: int
    at_once: int


class SandboxJira:
    """One site; starts with the context, ends with it.

    Args:
        site: The truth; small by default.
        latency_s: Each answer takes at least so long.
        faults: What goes wrong.
    """

    def __init__(
        self, site: JiraSite | None = None, *, latency_s: float = 0.0, faults: JiraFaults | None = None
    ) -> None:
        self.site = site or JiraSite()
        self.faults = faults or JiraFaults()
        self.latency_s = latency_s
        self.email, self.token = "reader@example.com", f"token:{secrets.token_urlsafe(9)}="
        self.bearer = secrets.token_urlsafe(12)
        self.requests: list[Request] = []
        self.on_request: Callable[[str], None] = lambda _path: None
        self.expired = False
        """True: the token does not count any more; reads are answered as to a stranger."""
        self.api = Api(self.site)
        self.lock = threading.Lock()
        self.now_at_once = 0
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

    def asked(self, part: str) -> list[Request]:
        """Requests whose path holds ``part``."""
        with self.lock:
            return [one for one in self.requests if part in one.path]

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
    sandbox: SandboxJira
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer."""
        self._handle()

    def do_POST(self) -> None:
        """Answer."""
        self._handle()

    def do_PUT(self) -> None:
        """Answer."""
        self._handle()

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _handle(self) -> None:
        sandbox, parts = self.sandbox, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with sandbox.lock:
            sandbox.now_at_once += 1
            at_once = sandbox.now_at_once
        try:
            sandbox.on_request(parts.path)
            time.sleep(sandbox.latency_s)
            answer, spoil = self._answer(parts.path, parse_qs(parts.query), body, at_once)
        finally:
            with sandbox.lock:
                sandbox.now_at_once -= 1
        entry = Request(self.command, parts.path, parse_qs(parts.query), _shown(body), answer.status, at_once)
        with sandbox.lock:
            sandbox.requests.append(entry)
        self._send(answer, spoil)

    def _answer(self, path: str, query: dict[str, list[str]], body: bytes, at_once: int) -> tuple[Answer, str]:
        if (fault := self._fault(path, at_once)) is not None:
            return fault, ""
        spoil = self._spoil()
        prefix = f"/ex/jira/{CLOUD_ID}"
        authorization = self.headers.get("Authorization", "")
        if path.startswith(prefix):
            if authorization != f"Bearer {self.sandbox.bearer}" or self.sandbox.expired:
                return Answer.failed(403, "Failed to parse Connect Session Auth Token"), ""
            return self._ask(path.removeprefix(prefix), query, body, known=True), spoil
        known = self._is_known(authorization)
        if authorization.startswith("Bearer"):
            return Answer.failed(403, "Failed to parse Connect Session Auth Token"), ""
        answer = self._ask(path, query, body, known=known)
        if not known and authorization:
            answer.headers["X-Seraph-LoginReason"] = "AUTHENTICATED_FAILED"
        return answer, spoil

    def _ask(self, path: str, query: dict[str, list[str]], body: bytes, *, known: bool) -> Answer:
        if path == "/_edge/tenant_info":
            return Answer(as_json({"cloudId": CLOUD_ID}))
        if not path.startswith(_API):
            return Answer.failed(404, "null for uri")
        typed = self.command == "GET" or "json" in (self.headers.get("Content-Type") or "")
        if not typed:
            return Answer(as_json({"title": "Unsupported Media Type", "detail": "Content-Type is missing"}), 415)
        return self.sandbox.api.ask(self.command, path.removeprefix(_API), query, body, known=known)

    def _is_known(self, authorization: str) -> bool:
        with suppress(ValueError):
            email, _, token = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            return (email, token) == (self.sandbox.email, self.sandbox.token) and not self.sandbox.expired
        return False

    def _fault(self, path: str, at_once: int) -> Answer | None:
        faults = self.sandbox.faults
        with self.sandbox.lock:
            for index, (status, beginning) in enumerate(faults.fail_next):
                if path.removeprefix(_API).startswith(beginning):
                    del faults.fail_next[index]
                    return self._throttled() if status == 429 else Answer.failed(status, "ordered")
            drawn = faults.chance.random()
        if faults.most_at_once is not None and at_once > faults.most_at_once:
            return self._throttled("jira-burst-based")
        if drawn < faults.throttled:
            return self._throttled()
        if drawn < faults.throttled + faults.failing:
            return Answer.failed(faults.chance.choice((500, 502, 503)), "Something went wrong")
        return None

    def _throttled(self, reason: str = "jira-quota-tenant-based") -> Answer:
        pause = self.sandbox.faults.retry_after_s
        headers = {"RateLimit-Reason": reason, "X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0"}
        if pause is not None:
            headers["Retry-After"] = f"{pause:.0f}"
        return Answer(as_json({"errorMessages": ["Rate limit exceeded."]}), 429, headers)

    def _spoil(self) -> str:
        faults = self.sandbox.faults
        with self.sandbox.lock:
            drawn = faults.chance.random()
        return "cut" if drawn < faults.cut else "corrupt" if drawn < faults.cut + faults.corrupt else ""

    def _send(self, answer: Answer, spoil: str) -> None:
        body = answer.body[: len(answer.body) // 2] if spoil == "corrupt" else answer.body
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if spoil == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self.wfile.write(body)
        self.wfile.flush()


def _shown(body: bytes) -> Any:
    import json  # noqa: PLC0415

    with suppress(ValueError):
        return json.loads(body) if body else None
    return None
