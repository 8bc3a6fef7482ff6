"""A server on loopback between a connector and its system: records, replays, faults, and keeps a timeline."""

from __future__ import annotations

import http.server
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import urlsplit

from connector_kit.recording.cassette import Cassette
from connector_kit.recording.messages import NO_RESPONSE, RecordedRequest, RecordedResponse
from connector_kit.recording.origin import Origin
from connector_kit.recording.scrubbing import Scrubber
from connector_kit.recording.upstream import LiveUpstream, RecordedUpstream, Upstream
from connectors.http.settings import HttpSettings

if TYPE_CHECKING:
    from types import TracebackType

    from connector_kit.recording.cassette_lines import Pairs
    from connector_kit.recording.faults import Fault

LOOPBACK = "127.0.0.1"
TOO_MANY = 598


@dataclass(frozen=True)
class TimelineEntry:
    """One exchange as the timeline keeps it, scrubbed.

    Attributes:
        status: What the client got; 0 when it got no answer.
        began_s: Since the proxy began.
        seconds: From the request's arrival to the answer's departure.
        size_bytes: Of the body that was sent.
        fault: What was done to it on purpose, in words; "" when nothing.
    """

    method: str
    path: str
    query: Pairs
    status: int
    began_s: float
    seconds: float
    size_bytes: int
    fault: str = ""


class RecordingProxy:
    """Serves while its context lasts. Other hosts that a system links to (downloads, say) are not through the proxy.

    Args:
        upstream: Scheme and host of the system, or a cassette to answer from.
        record: Takes every request and its answer; only with a system.
        fault: What is done to answers; can be exchanged while the proxy runs.
        scrub: What is a secret on the timeline and in messages; the cassette's when None.
        settings: How the system is reached: proxy, TLS, time.
        most_requests: More than so many are answered 598, so that a client that goes in circles comes to an end.

    Raises:
        ValueError: The upstream has a path, or a replay is to be recorded.
    """

    def __init__(
        self,
        upstream: str | Cassette,
        record: Cassette | None = None,
        fault: Fault | None = None,
        *,
        scrub: Scrubber | None = None,
        settings: HttpSettings | None = None,
        most_requests: int | None = None,
    ) -> None:
        if isinstance(upstream, Cassette) and record is not None:
            raise ValueError("a replay cannot be recorded: there is nothing new in it")
        self._from: Cassette | Origin = upstream if isinstance(upstream, Cassette) else Origin(upstream)
        self._record, self._settings = record, settings or HttpSettings.model_validate({})
        cassette = upstream if isinstance(upstream, Cassette) else record
        self._scrub = scrub or (cassette.scrub if cassette is not None else Scrubber())
        self.fault, self.most_requests = fault, most_requests
        self.requests: list[TimelineEntry] = []
        """In the order in which they were answered."""
        self.unmatched: list[str] = []
        """Requests that were not recorded."""
        self.trouble: list[str] = []
        """What failed between the proxy and the system, or in the proxy."""
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._arrived = 0
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``: in the place of the system's scheme and host."""
        return f"http://{LOOPBACK}:{self._server.server_address[1]}"

    def through(self, url: str) -> str:
        """The same address through the proxy: ``https://host/api/v1`` is ``http://127.0.0.1:PORT/api/v1``."""
        parts = urlsplit(url)
        return f"{self.url}{parts.path}{f'?{parts.query}' if parts.query else ''}"

    def __enter__(self) -> Self:
        self._server = _ProxyServer((LOOPBACK, 0), type("Handler", (_ProxyHandler,), {"proxy": self}))
        self._server.proxy = self
        proxy = Origin(self.url)
        self._upstream: Upstream = (
            RecordedUpstream(self._from, proxy, self.unmatched.append)
            if isinstance(self._from, Cassette)
            else LiveUpstream(self._from, proxy, self._record, self._settings, self.failed)
        )
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, wake what hangs, end connections that clients keep."""
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            kept = list(self._open)
        for connection in kept:
            with suppress(OSError):  # the client was quicker
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._upstream.close()

    def exchange(self, request: RecordedRequest) -> RecordedResponse:
        """The answer for the client; it is on the timeline when this returns."""
        arrived = time.monotonic()
        if isinstance(self._from, Origin):
            self._scrub.learn(request.headers)
        path = self._scrub.text(request.path)
        request = replace(request, shown=f"{request.method} {path}")
        answer = self._answer(request, self.fault)
        seen = TimelineEntry(
            method=request.method,
            path=path,
            query=tuple(self._scrub.pair(*pair) for pair in request.query),
            status=answer.status,
            began_s=arrived - self._began,
            seconds=time.monotonic() - arrived,
            size_bytes=len(answer.body[: answer.cut_at]),
            fault="; ".join(request.notes),
        )
        with self._lock:
            self.requests.append(seen)
        return answer

    def failed(self, what: str) -> None:
        """Keep what failed, scrubbed."""
        self.trouble.append(self._scrub.text(what))

    def opened(self, connection: socket.socket) -> None:
        """A client has connected."""
        with self._lock:
            self._open.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """A client has gone."""
        with self._lock:
            self._open.discard(connection)

    def _answer(self, request: RecordedRequest, fault: Fault | None) -> RecordedResponse:
        with self._lock:
            self._arrived += 1
            too_many = self.most_requests is not None and self._arrived > self.most_requests
        if too_many:
            return RecordedResponse(
                TOO_MANY, (), b'{"error":"more requests than the proxy allows: is the client in a circle?"}'
            )
        if fault is None:
            return self._upstream.answer(request)
        pause_s = fault.pause_s(request)
        ended = pause_s != 0 and self._closing.wait(pause_s)
        if ended or pause_s is None:
            return NO_RESPONSE
        instead = fault.instead(request)
        if instead is not None:
            return instead
        answer = self._upstream.answer(request)
        return answer if answer.status == 0 else fault.edited(request, answer)


class _ProxyServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client may keep its connection for ever
    request_queue_size = 128
    proxy: RecordingProxy

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as in the base class
        """Clients that leave are no news; anything else is."""
        error = sys.exc_info()[1]
        if not isinstance(error, ConnectionError):
            self.proxy.failed(f"in the proxy: {error!r}")


class _ProxyHandler(http.server.BaseHTTPRequestHandler):
    proxy: ClassVar[RecordingProxy]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.proxy.opened(self.connection)

    def finish(self) -> None:
        self.proxy.closed(self.connection)
        super().finish()

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _handle(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self.send_error(HTTPStatus.LENGTH_REQUIRED, "the proxy takes bodies with a Content-Length")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.proxy.exchange(RecordedRequest(self.command, self.path, tuple(self.headers.items()), body))
        if answer.status == 0:
            self._reset()
        else:
            self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle  # noqa: N815 - the library's names

    def _send(self, answer: RecordedResponse) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value.encode().decode("latin-1"))
        if answer.header("Date") is None:
            self.send_header("Date", self.date_time_string())
        if answer.status >= 200 and answer.status not in {204, 304}:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut_at])
        self.wfile.flush()
        if answer.cut_at is not None:
            self._reset()

    def _reset(self) -> None:
        # Linger 0 makes close send a reset, as a crashed peer would.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
