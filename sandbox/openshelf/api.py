"""What the service answers: one function per path, over the data of a site.

``GET /v1/me`` · ``GET /v1/books?updated_since=&updated_before=&limit=&cursor=&fields=id`` · ``GET /v1/loans`` (as
books, but only ``updated_since``) · ``GET /v1/authors?page=`` (50 a page). ``since`` is inclusive, ``before`` is not.
``PATCH /v1/books/ID`` · ``PATCH /v1/loans/ID`` with the fields to change.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from sandbox.http_service import HttpReply
from sandbox.openshelf.site import written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.openshelf.site import Kind, Row, ShelfSite

AUTHORS_PER_PAGE = 50
MOST_PER_PAGE = 100
_USUAL_PER_PAGE = 50
_encoder = msgspec.json.Encoder(decimal_format="number")
_decode_fields = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_KNOWN = {
    "/v1/me": set[str](),
    "/v1/books": {"updated_since", "updated_before", "limit", "cursor", "fields"},
    "/v1/loans": {"updated_since", "limit", "cursor", "fields"},
    "/v1/authors": {"page"},
}


def replied(content: Any) -> HttpReply:
    """200, with an ETag."""
    body = _encoder.encode(content)
    return HttpReply(body, headers={"ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"'})


def failed(status: int, message: str) -> HttpReply:
    """A refusal in the service's words."""
    return HttpReply(_encoder.encode({"error": {"status": status, "message": message}}), status)


class RefusedError(Exception):
    """The request cannot be answered; ``reply`` says why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.reply = failed(status, message)


class _Cursor(msgspec.Struct, array_like=True):
    """Where the next page begins: after this change of this row, of that list."""

    listing_id: str
    moment_us: int
    key: int
    serial: int


@dataclass
class Behaviour:
    """What the service does that a client has to cope with.

    Attributes:
        cursor_lives: A cursor is 410 when so many were given out after it; None: for ever.
        repeat_cursor: The next cursor is the one of the request.
        short_pages: Every other page holds one row, every third none, with more to come.
    """

    cursor_lives: int | None = None
    repeat_cursor: bool = False
    short_pages: bool = False


class OpenshelfApi:
    """Replies to an authenticated caller. Safe between threads."""

    def __init__(self, site: ShelfSite, behaviour: Behaviour | None = None) -> None:
        self.site, self.behaviour = site, behaviour or Behaviour()
        self._given = 0

    def reply(self, path: str, query: Mapping[str, str]) -> HttpReply:
        """The answer to a GET."""
        try:
            return self._known(path, query)
        except RefusedError as refused:
            return refused.reply

    def change(self, path: str, body: bytes) -> HttpReply:
        """The answer to a PATCH: the row as it is then."""
        match = re.fullmatch(r"/v1/(books|loans)/(\d+)", path)
        kind: Kind = "loans" if match and match[1] == "loans" else "books"
        with self.site.lock:
            row = self.site.row(kind, int(match[2])) if match else None
            if match is None or row is None:
                return failed(404, f"there is no {path}")
            try:
                fields = _decode_fields(body)
            except msgspec.DecodeError:
                return failed(400, "the body must be an object of fields")
            if unknown := sorted(set(fields) - (set(row) - {"id", "updated_at"})):
                return failed(400, f"{unknown[0]} cannot be changed")
            self.site.edit(kind, int(match[2]), **fields)
            return replied(self.site.row(kind, int(match[2])))

    def _known(self, path: str, query: Mapping[str, str]) -> HttpReply:
        if path not in _KNOWN:
            raise RefusedError(404, f"there is no {path}")
        if unknown := sorted(set(query) - _KNOWN[path]):
            raise RefusedError(400, f"unknown parameter {unknown[0]}")
        if path == "/v1/me":
            return replied({"name": "Reader", "plan": "library", "api": "1.4"})
        if path == "/v1/authors":
            return replied(self._authors(query))
        return replied(self._changed("books" if path == "/v1/books" else "loans", query))

    def _authors(self, query: Mapping[str, str]) -> Row:
        page, rows = _number(query, "page", 1), self.site.rows("authors")
        start = (page - 1) * AUTHORS_PER_PAGE
        return {"items": rows[start : start + AUTHORS_PER_PAGE], "pages": max(1, -(-len(rows) // AUTHORS_PER_PAGE))}

    def _changed(self, kind: Kind, query: Mapping[str, str]) -> Row:
        low, high = _moment(query, "updated_since"), _moment(query, "updated_before")
        listing_id = hashlib.sha256(repr((kind, low, high, query.get("fields"))).encode()).hexdigest()[:8]
        cursor = self._cursor(query.get("cursor"), listing_id)
        with self.site.lock:
            every = self.site.changed(kind, low, high)
            rest = [one for one in every if cursor is None or _position(one) > (cursor.moment_us, cursor.key)]
            page = rest[: self._size(query)]
            rows = [self.site.row(kind, key) or {} for _, key in page]
        more = len(rest) > len(page)
        last = _position(page[-1]) if page else (cursor.moment_us, cursor.key) if cursor else (-(2**62), 0)
        following = self._given_out(listing_id, *last) if more else None
        if more and self.behaviour.repeat_cursor and "cursor" in query:
            following = query["cursor"]
        names = query["fields"].split(",") if "fields" in query else None
        shown = rows if names is None else [{name: row.get(name) for name in names} for row in rows]
        return {"data": shown, "next_cursor": following, "total": len(every)}

    def _size(self, query: Mapping[str, str]) -> int:
        limit = _number(query, "limit", _USUAL_PER_PAGE)
        if limit > MOST_PER_PAGE:
            raise RefusedError(400, f"limit is at most {MOST_PER_PAGE}")
        return min(limit, (limit, 1, 0)[self._given % 3]) if self.behaviour.short_pages else limit

    def _given_out(self, listing_id: str, moment_us: int, key: int) -> str:
        with self.site.lock:
            self._given += 1
            cursor = _Cursor(listing_id, moment_us, key, self._given)
        return base64.urlsafe_b64encode(_encoder.encode(cursor)).decode()

    def _cursor(self, text: str | None, listing_id: str) -> _Cursor | None:
        if text is None:
            return None
        try:
            cursor = msgspec.json.decode(base64.urlsafe_b64decode(text), type=_Cursor)
        except ValueError as error:
            raise RefusedError(400, "the cursor is not one of ours") from error
        if cursor.listing_id != listing_id:
            raise RefusedError(400, "the cursor belongs to another list")
        lives = self.behaviour.cursor_lives
        if lives is not None and self._given - cursor.serial >= lives:
            raise RefusedError(410, "the cursor has expired: begin again without one")
        return cursor


def _position(one: tuple[datetime, int]) -> tuple[int, int]:
    moment, key = one
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000) * 1_000, key


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise RefusedError(400, f"{name} must be a whole number from 1")
    return int(text)


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        moment = datetime.fromisoformat(query[name])
    except ValueError as error:
        raise RefusedError(400, f"{name} must be like {written(datetime.now(UTC))}") from error
    if moment.tzinfo is None:
        raise RefusedError(400, f"{name} must say its offset")
    return moment.astimezone(UTC)
