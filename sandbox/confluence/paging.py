"""Cursor paging of v2: keyset by the sort order, so that rows which move while a reader pages are lost or twice.

Documented: ``limit`` 1..250; ``Link`` and ``_links.next`` relative to the site root, beginning with ``/wiki``; the 400
for a bad cursor. Assumed: what is in a cursor (base64 of JSON, seen in the wild), that unknown sorts are 400.
"""

from __future__ import annotations

import base64
import binascii
import json
from bisect import bisect_right
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sandbox.confluence.records import as_json
from sandbox.http_service import HttpReply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.confluence.server import ConfluenceFaults
    from sandbox.confluence.site import ConfluenceSite
    from sandbox.http_service import Parameters

Row = tuple[Any, int]
"""What a list is sorted by, then the id; both may be negated."""
BAD_CURSOR = (
    "Provided value for 'cursor' is not the correct type. Expected type is Cursor.",
    (
        "The provided cursor was not valid. "
        "You can get a new valid cursor by making the original pagination request again."
    ),
)


def failed_v2(status: int, title: str, detail: str | None = None) -> HttpReply:
    """A refusal in v2's shape."""
    codes = {400: "INVALID_REQUEST_PARAMETER", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 410: "GONE"}
    code = codes.get(status, "INTERNAL_SERVER_ERROR" if status >= 500 else "TOO_MANY_REQUESTS")
    return HttpReply(as_json({"errors": [{"status": status, "code": code, "title": title, "detail": detail}]}), status)


class RefusedV2(Exception):  # noqa: N818 - an answer, not an error
    """An answer other than 200."""

    def __init__(self, status: int, title: str, detail: str | None = None) -> None:
        super().__init__(title)
        self.reply = failed_v2(status, title, detail)


def listed(query: Parameters, name: str, most: int | None = None) -> list[str] | None:
    """Values of a parameter that may be repeated or comma-separated; None when it is absent."""
    if name not in query:
        return None
    found = [part for value in query[name] for part in value.split(",") if part]
    if most is not None and len(found) > most:
        raise RefusedV2(400, f"Too many values for '{name}'. Maximum is {most}.")
    return found


def numbers(query: Parameters, name: str, most: int | None = None) -> set[int] | None:
    """Such values as numbers."""
    found = listed(query, name, most)
    try:
        return None if found is None else {int(one) for one in found}
    except ValueError:
        raise RefusedV2(400, f"Provided value for '{name}' is not the correct type. Expected type is Long.") from None


def chosen(query: Parameters, name: str, allowed: Sequence[str], default: str | None) -> str | None:
    """One of the documented values."""
    value = query.get(name, [None])[0] or default
    if value is not None and value not in allowed:
        raise RefusedV2(400, f"Provided value '{value}' for '{name}' is not one of {', '.join(allowed)}.")
    return value


class KeysetPager:
    """Pages of one site."""

    def __init__(self, site: ConfluenceSite, faults: ConfluenceFaults) -> None:
        self._site, self._faults = site, faults

    def page(
        self,
        path: str,
        query: Parameters,
        rows: list[tuple[Row, Any]],
        render: Callable[[Any], Any],
        order: str = "id",
        default: int = 25,
    ) -> HttpReply:
        """One page of ``rows``, which are sorted by their first member."""
        limit = self._limit(query, default)
        at, hop = 0, 0
        if (cursor := query.get("cursor", [""])[0]) or "cursor" in query:
            after, hop = self._read(cursor, order)
            at = bisect_right(rows, after, key=lambda one: one[0])
        if self._faults.short_pages and hop % 4 == 2:
            limit = 0
        elif self._faults.short_pages and hop % 4 == 1:
            limit = max(limit // 2, 1)
        parts: list[bytes] = []
        size = 0
        for _, thing in rows[at : at + limit]:
            part = as_json(render(thing))
            size += len(part)
            if parts and size > self._faults.size_budget:
                break
            parts.append(part)
        end = at + len(parts)
        links: dict[str, str] = {"base": f"{self._site.base_url}/wiki"}
        headers = {"Link": f'<{self._site.base_url}/wiki>; rel="base"'}
        if end < len(rows):
            last = rows[end - 1][0] if end else (None, 0)
            rest = [(name, value) for name, values in query.items() if name != "cursor" for value in values]
            # The product writes the padding of its cursors as it is.
            tail = "&".join(filter(None, (urlencode(rest), f"cursor={self._write(last, hop + 1, order)}")))
            links["next"] = f"{path}?{tail}"
            headers["Link"] = f'<{path}?{tail}>; rel="next", {headers["Link"]}'
        body = b'{"results":[' + b",".join(parts) + b'],"_links":' + as_json(links) + b"}"
        return HttpReply(body, 200, headers)

    def _limit(self, query: Parameters, default: int) -> int:
        value = query.get("limit", [str(default)])[0]
        if not value.isdigit() or not 1 <= int(value) <= 250:
            raise RefusedV2(400, f"Provided value {{{value}}} for 'limit' is not valid. It must be between 1 and 250.")
        return int(value)

    def _write(self, last: Row, hop: int, order: str) -> str:
        at = getattr(last[0], "value", last[0])
        value = {"id": last[1], "contentOrder": order, "contentOrderValue": at, "h": hop, "t": self._site.now_ms}
        return base64.urlsafe_b64encode(as_json(value)).decode()

    def _read(self, cursor: str, order: str) -> tuple[Row, int]:
        faults = self._faults
        try:
            found = json.loads(base64.b64decode(cursor.encode(), b"-_", validate=True))
            after, hop, made = (found["contentOrderValue"], found["id"]), found["h"], found["t"]
        except (binascii.Error, ValueError, KeyError, TypeError):
            raise RefusedV2(400, *BAD_CURSOR) from None
        old = faults.cursor_lives is not None and self._site.now_ms - made > faults.cursor_lives * 1000
        if faults.expire_next > 0:
            faults.expire_next -= 1
            old = True
        if old or found["contentOrder"] != order:
            raise RefusedV2(400, *BAD_CURSOR)
        if after[0] is None:
            return (_Lowest(), 0), hop
        if isinstance(after[0], str) and order.startswith("-"):
            return (_Downwards(after[0]), after[1]), hop
        return after, hop


class _Lowest:
    """Before every other value."""

    def __lt__(self, _other: object) -> bool:
        return True

    def __gt__(self, _other: object) -> bool:
        return False


class _Downwards:
    """Text in the opposite order; as JSON it is the text."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __lt__(self, other: Any) -> bool:
        return bool(self.value > getattr(other, "value", other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value < getattr(other, "value", other))

    def __eq__(self, other: object) -> bool:
        return bool(self.value == getattr(other, "value", other))

    def __hash__(self) -> int:
        return hash(self.value)


def turned(row: Row) -> Row:
    """For the opposite order, ids included."""
    value, number = row
    return (_Downwards(value) if isinstance(value, str) else -value, -number)
