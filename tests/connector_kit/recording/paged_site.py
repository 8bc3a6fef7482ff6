"""A small system over HTTP for the proxy's tests: pages by token, links, gzip, binary bodies, a token endpoint."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from urllib.parse import parse_qs, urlsplit

from connectors.http.client import HttpClient
from connectors.http.settings import HttpSettings

ROWS = [{"id": number, "price": f"{number}.50", "note": "ü" * (number % 3)} for number in range(10)]
BINARY = bytes(range(256))
SECRET = "s3cr3t/to ken+ü"

FIXED = {
    "/binary": (200, {"Content-Type": "application/octet-stream"}, BINARY),
    "/refused": (400, {}, b'{"data": [{"id": 1}], "next": "t3"}'),
    "/token": (
        200,
        {"Set-Cookie": "session=verysecretcookie"},
        b'{"access_token": "granted-by-server", "expires_in": 60}',
    ),
}


class System:
    """``/rows`` by token, ``/linked`` by absolute link, ``/numbered`` by page number, three rows a page."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.headers: list[dict[str, str]] = []
        handler = type("Handler", (_PagedSiteHandler,), {"system": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def page(start: int) -> tuple[list[str], int]:
    # Prices are numbers whose text matters: 1.50 is not 1.5.
    rows = [json.dumps(row).replace(f'"{row["price"]}"', row["price"]) for row in ROWS[start : start + 3]]
    return rows, start + 3 if start + 3 < len(ROWS) else 0


class _PagedSiteHandler(http.server.BaseHTTPRequestHandler):
    system: System
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.system.calls.append(f"{self.command} {self.path}")
        self.system.headers.append(dict(self.headers))
        status, headers, body = self._made(parts.path, query, sent)
        if "gzip" in self.headers.get("Accept-Encoding", "") and parts.path == "/rows":
            headers, body = {**headers, "Content-Encoding": "gzip"}, gzip.compress(body)
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 - the library calls them so

    def _made(self, path: str, query: dict[str, str], sent: bytes) -> tuple[int, dict[str, str], bytes]:  # noqa: PLR0911
        if path == "/rows":
            rows, after = page(int(query.get("cursor", "t0")[1:]))
            return (
                200,
                {},
                f'{{"data":[{",".join(rows)}],"next":{json.dumps(f"t{after}" if after else None)}}}'.encode(),
            )
        if path == "/linked":
            rows, after = page(int(query.get("from", "0")))
            link = f"{self.system.url}/linked?from={after}"
            headers = {"Link": f'<{link}>; rel="next"'} if after else {}
            return (
                200,
                headers,
                json.dumps({"items": [json.loads(r) for r in rows], "next": link if after else ""}).encode(),
            )
        if path == "/numbered":
            rows, _ = page((int(query.get("page", "1")) - 1) * 3)
            return 200, {}, f'{{"items":[{",".join(rows)}],"pages":4}}'.encode()
        if path in FIXED:
            return FIXED[path]
        if path == "/moved":
            return 302, {"Location": f"{self.system.url}/rows"}, b""
        if path == "/count":
            return 200, {}, str(len(self.system.calls)).encode()
        return (200, {}, sent) if path == "/echo" else (404, {}, b'{"error":"no such thing"}')


QUICK = {"retry_pause_s": 0.005, "request_timeout_s": 5.0, "concurrency": 2, "max_tries": 3}


def client(url: str, **settings: object) -> HttpClient:
    """The client connectors use."""
    made = HttpSettings.model_validate({**QUICK, **settings})
    return HttpClient(url, made, {"Authorization": f"Bearer {'b' * 12}"})


def read_all(http: HttpClient, path: str = "/rows", most: int = 20) -> list[dict[str, object]]:
    """All rows by token, numbers as text."""
    rows: list[dict[str, object]] = []
    params: dict[str, str] = {}
    for _ in range(most):
        said = http.get(path, lambda body: json.loads(body, parse_float=str), params)
        rows += said["data"]
        if not said["next"]:
            return rows
        params = {"cursor": said["next"]}
    raise AssertionError("the pages do not end")
