"""Proxies on loopback that misbehave on demand: one for any TCP connection, one that understands HTTP."""

from __future__ import annotations

import http.client
import http.server
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from sandbox.processes import LOOPBACK
from sandbox.startable import Startable

_BLOCK_BYTES = 64 * 1024
_UPSTREAM_TIMEOUT_S = 60.0


class CuttableTcp(Startable):
    """Forwards TCP to a port on loopback (a Postgres, say) until asked to cut or refuse connections."""

    def __init__(self, upstream_port: int) -> None:
        """Listen on a free port at once; `close` ends it."""
        self._upstream_port = upstream_port
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._refuse_until = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        with self._lock:
            return len(self._open) // 2

    def cut(self) -> int:
        """Reset every open connection, both ways; returns how many. New ones are accepted."""
        with self._lock:
            ends, self._open = self._open, set()
        for side in ends:
            _reset(side)
        return len(ends) // 2

    def refuse(self, seconds: float = float("inf")) -> None:
        """Reset each new connection for so long from now; those that are open go on."""
        self._refuse_until = time.monotonic() + seconds

    def allow(self) -> None:
        """Accept new connections again."""
        self._refuse_until = 0.0

    def close(self) -> None:
        """Stop listening and cut what is open."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            if time.monotonic() < self._refuse_until:
                raise ConnectionRefusedError
            upstream = socket.create_connection((LOOPBACK, self._upstream_port))
        except OSError:
            _reset(client)
            return
        with self._lock:
            self._open |= {client, upstream}
        threading.Thread(target=self._pump, args=(client, upstream), daemon=True).start()
        self._pump(upstream, client)

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(_BLOCK_BYTES):
                target.sendall(block)
        with self._lock:
            self._open -= {source, target}
        for side in (source, target):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()


def _reset(side: socket.socket) -> None:
    # Linger 0 makes close send a reset, as a crashed peer or a stateful firewall would.
    with suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        side.shutdown(socket.SHUT_RDWR)
    side.close()


@dataclass
class _Faults:
    """What to do to the requests to come; each count goes down as it is used."""

    failures: int = 0
    status: int = 503
    method: str | None = None
    delay_s: float = 0.0
    cuts: int = 0
    cut_after_bytes: int = 0
    drop: bool = False


class FaultyProxy(Startable):
    """Forwards HTTP/1.1 to one upstream; answers and connections can be spoiled. Bodies are held in memory.

    The Host header is forwarded as the client sent it, so signatures over it stay right.
    """

    def __init__(self, upstream_url: str) -> None:
        """Listen on a free port at once; `close` ends it. The upstream is `http://host:port`."""
        parts = urlsplit(upstream_url)
        self.upstream = (parts.hostname or LOOPBACK, parts.port or 80)
        self._lock = threading.Lock()
        self._faults = _Faults()
        self._seen: list[tuple[str, str]] = []
        handler = type("Handler", (_Forward,), {"proxy": self})
        self._server = _QuietServer((LOOPBACK, 0), handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`: give this to the client instead of the upstream's."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def requests(self) -> list[tuple[str, str]]:
        """(method, target) of every request seen, in order of arrival; the failed ones too."""
        with self._lock:
            return list(self._seen)

    def fail_next(self, count: int, status: int = 503, method: str | None = None) -> None:
        """Answer the next `count` requests (of this method only, if given) with the status, unforwarded."""
        with self._lock:
            self._faults.failures, self._faults.status, self._faults.method = count, status, method

    def delay(self, seconds: float) -> None:
        """From now on wait so long before each answer."""
        with self._lock:
            self._faults.delay_s = seconds

    def cut_after(self, size_bytes: int, count: int = 1) -> None:
        """Reset the connection after so many bytes of the body, in the next `count` longer answers."""
        with self._lock:
            self._faults.cuts, self._faults.cut_after_bytes = count, size_bytes

    def drop_everything(self) -> None:
        """From now on reset each connection without an answer."""
        with self._lock:
            self._faults.drop = True

    def heal(self) -> None:
        """Behave again."""
        with self._lock:
            self._faults = _Faults()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def see(self, method: str, target: str) -> tuple[bool, float, int | None]:
        """Note a request; returns whether to drop it, the seconds to wait, and the status to fail it with."""
        with self._lock:
            self._seen.append((method, target))
            faults = self._faults
            status = None
            if faults.failures > 0 and faults.method in {None, method}:
                faults.failures -= 1
                status = faults.status
            return faults.drop, faults.delay_s, status

    def cut_of(self, size_bytes: int) -> int | None:
        """After how many bytes to cut an answer of this size; None: not at all."""
        with self._lock:
            if self._faults.cuts < 1 or size_bytes <= self._faults.cut_after_bytes:
                return None
            self._faults.cuts -= 1
            return self._faults.cut_after_bytes


class _QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client may keep its connection for ever

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away, or one we cut: nothing to report."""


class _Forward(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: ClassVar[FaultyProxy]

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        drop, delay_s, status = self.proxy.see(self.command, self.path)
        time.sleep(delay_s)
        if drop:
            self._cut()
        elif status is not None:
            self._answer(status, [], b"" if self.command == "HEAD" else b"injected fault", None)
        else:
            self._pass_on(body)

    def _pass_on(self, body: bytes) -> None:
        upstream = http.client.HTTPConnection(*self.proxy.upstream, timeout=_UPSTREAM_TIMEOUT_S)
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in {"connection", "expect"}:
                    upstream.putheader(name, value)
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._answer(502, [], b"", None)
            return
        finally:
            upstream.close()
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self._answer(answer.status, answer.getheaders(), content, length)

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes, length: str | None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        cut = self.proxy.cut_of(len(content))
        self.wfile.write(content[:cut])
        if cut is not None:
            self._cut()

    def _cut(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        _reset(self.connection)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do_PATCH = _forward  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Stay quiet."""
