"""Three small services that an author writes as stand-ins for the APIs that he connects; the standard library only.

``LinkApi`` names the next page in a ``Link`` header and answers 403 when asked too often; ``TreeApi`` lists tasks per
project behind cursors; ``PositionApi`` pages by position, says totals, and filters by the minutes of a wall clock.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from zoneinfo import ZoneInfo

TOKEN = "a-token-of-the-three-apis"
START = datetime(2025, 10, 25, 20, 0, tzinfo=UTC)
"""The hour that Berlin's wall clock shows twice is in the middle of the rows."""
BERLIN = ZoneInfo("Europe/Berlin")
Reply = tuple[int, dict[str, str], Any]


def made(number: int) -> dict[str, Any]:
    """A row; every tenth has the moment of the one before."""
    step = number - 1 if number % 10 == 0 else number
    return {
        "id": number,
        "title": f"Number {number}, ä",
        "effort": round(number / 7, 2),
        "votes": number * 3,
        "updated": moment_text(START + timedelta(minutes=6 * step, seconds=number % 50 if step == number else 0)),
    }


def moment_text(moment: datetime) -> str:
    """As all three write it."""
    return moment.isoformat(timespec="milliseconds")


class Api:
    """Rows by id, served to those who know the token."""

    def __init__(self, rows: int = 130) -> None:
        self.rows = {number: made(number) for number in range(1, rows + 1)}
        self.lock = threading.Lock()
        self.requests = 0
        handler = type("Handler", (_ApiHandler,), {"api": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, query: dict[str, str]) -> Reply:
        """Status, headers, body."""
        raise NotImplementedError

    def newest(self) -> datetime:
        """The newest change."""
        return max(datetime.fromisoformat(row["updated"]) for row in self.rows.values())

    def edit(self, count: int, moment: datetime) -> set[str]:
        """Change those that changed longest ago."""
        with self.lock:
            oldest = sorted(self.rows.values(), key=lambda row: (row["updated"], row["id"]))[:count]
            for row in oldest:
                self.rows[row["id"]] = {**row, "title": "changed", "updated": moment_text(moment)}
        return {str(row["id"]) for row in oldest}

    def since(self, low: datetime | None, high: datetime | None = None) -> list[dict[str, Any]]:
        """Rows by their last change."""
        with self.lock:
            rows = sorted(self.rows.values(), key=lambda row: (row["updated"], row["id"]))
        at = datetime.fromisoformat
        return [
            row
            for row in rows
            if (low is None or at(row["updated"]) >= low) and (high is None or at(row["updated"]) < high)
        ]


class LinkApi(Api):
    """``/issues``: a list in the body, the next page in the header; every 30th request is one too many."""

    def answer(self, path: str, query: dict[str, str]) -> Reply:
        if self.requests % 30 == 0:
            return 403, {"X-RateLimit-Reset": str(int(time.time()))}, {"message": "You hit a secondary rate limit"}
        if path != "/issues":
            return 404, {}, {"message": "no such list"}
        rows, after = self.since(_moment(query.get("since"))), query.get("after")
        if after is not None:
            updated, _, number = after.rpartition("|")
            rows = [row for row in rows if (row["updated"], row["id"]) > (updated, int(number))]
        size = int(query.get("per_page", "30"))
        page, headers = rows[:size], dict[str, str]()
        if len(rows) > size:
            more = {**query, "after": f"{page[-1]['updated']}|{page[-1]['id']}"}
            headers["Link"] = f'<{self.url}{path}?{urlencode(more)}>; rel="next", <{self.url}{path}>; rel="first"'
        return 200, headers, page


class TreeApi(Api):
    """``/projects`` and ``/projects/<id>/tasks``: the first project has the rows of all that others do not."""

    projects = 12

    def answer(self, path: str, query: dict[str, str]) -> Reply:
        parts = path.strip("/").split("/")
        with self.lock:
            if parts == ["projects"]:
                rows: list[dict[str, Any]] = [
                    {"id": f"P{number}", "name": f"Project {number}"} for number in range(self.projects)
                ]
            elif len(parts) == 3 and parts[1] in {f"P{number}" for number in range(self.projects)}:
                rows = [row for row in self.rows.values() if self.project_of(row) == parts[1]]
            else:
                return 404, {}, {"message": "no such project"}
        cursor = query.get("cursor", f"{path}@").removeprefix(f"{path}@")
        if cursor and cursor not in {str(row["id"]) for row in rows} and not cursor.isdecimal():
            return 400, {}, {"message": "no such cursor"}
        rest = rows if not cursor else [row for row in rows if _order(row["id"]) > _order(cursor)]
        page = rest[:10]
        return 200, {}, {"values": page, "next": f"{path}@{page[-1]['id']}" if len(rest) > 10 else None}

    def project_of(self, row: dict[str, Any]) -> str:
        """Half of the rows are in the first project."""
        return "P0" if row["id"] % 2 or row["id"] > 1_000 else f"P{row['id'] % self.projects}"


class PositionApi(Api):
    """``/tickets``: ``startAt``, ``maxResults``, ``total``; ``from`` and ``until`` are minutes of Berlin's wall clock."""

    def answer(self, path: str, query: dict[str, str]) -> Reply:
        if path != "/tickets":
            return 404, {}, {"message": "no such list"}
        rows = self.since(_wall_clock(query.get("from")), _wall_clock(query.get("until")))
        start, size = int(query.get("startAt", "0")), min(int(query.get("maxResults", "20")), 20)
        return 200, {}, {"startAt": start, "total": len(rows), "tickets": rows[start : start + size]}


def _order(key: int | str) -> int:
    return int(str(key).removeprefix("P"))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _wall_clock(text: str | None) -> datetime | None:
    """To the minute; what the clock shows twice is the later of the two."""
    return None if text is None else datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=BERLIN, fold=1)


class _ApiHandler(BaseHTTPRequestHandler):
    api: Api
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        """Answer."""
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, headers, body = 401, dict[str, str](), {"message": "who are you?"}
        elif address.path == "/me":
            status, headers, body = 200, {}, {"login": "author", "api": "1"}
        else:
            self.api.requests += 1
            status, headers, body = self.api.answer(address.path, query)
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Quiet."""
