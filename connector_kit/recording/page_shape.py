"""Where an API keeps rows and tokens in its pages, and JSON that is edited without touching what is not meant."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from connector_kit.recording.messages import RecordedRequest, RecordedResponse

Row = Any
"""One row of a page: mostly an object."""
GONE = object()
"""As a new value: the key is left out."""


@dataclass(frozen=True)
class PageShape:
    """Paths are keys joined by dots.

    Attributes:
        items: Where the rows are; "" when the page is a list itself.
        next: Where the token or link of the next page is; None when the API has none.
        page: The query parameter with the page's number, for APIs that count pages from 1.
        pages: Where the number of pages is; None where pages go on until one is empty.
        offset: The query parameter with the position of the page's first row, counted from 0 (``startAt``). The next
            page begins after the rows that came, so a row that is sent twice would take the place of another there.
        link: The next page is in the ``Link`` header (RFC 8288) under ``rel="next"``.
    """

    items: str
    next: str | None = None
    page: str | None = None
    pages: str | None = None
    offset: str | None = None
    link: bool = False

    @property
    def has_tokens(self) -> bool:
        """Whether the server gives what leads to the next page, as a token or a link."""
        return self.next is not None or self.link

    def opened(self, answer: RecordedResponse) -> Any:
        """The decoded page, for the other methods; of a shape with a link, the page and its link.

        Raises:
            ValueError: Not JSON.
        """
        body = loads(answer.body)
        return _LinkedPage(body, _next_link(answer)) if self.link else body

    def closed(self, page: Any, answer: RecordedResponse) -> RecordedResponse:
        """The answer with this page in the place of its own."""
        if not isinstance(page, _LinkedPage):
            return replace(answer, body=dumps(page))
        headers = answer.with_header("Link", f'<{page.next}>; rel="next"')
        if page.next is None:
            headers = tuple(pair for pair in answer.headers if pair[0].lower() != "link")
        return replace(answer, body=dumps(page.body), headers=headers)

    def rows(self, page: Any) -> list[Row] | None:
        """The rows; None when this is no page."""
        value = get(page.body if isinstance(page, _LinkedPage) else page, self.items)
        return value if isinstance(value, list) else None

    def token(self, page: Any) -> str | None:
        """The next page's token as text; None at the end."""
        if isinstance(page, _LinkedPage):
            return page.next
        value = get(page, self.next) if self.next is not None else None
        return None if value in (None, "") or isinstance(value, bool | dict | list) else str(value)

    def following(self, request: RecordedRequest, page: Any) -> str | None:
        """What the request for the next page is known by, see :meth:`leads_to`; None at the end, or when unknown."""
        if self.offset is not None:
            return None
        if self.page is None:
            return self.token(page)
        number, last = self._number(request), get(page, self.pages) if self.pages is not None else None
        at_end = not self.rows(page) if last is None else number >= int(last)
        return None if at_end else self._spelt(request, number + 1)

    def leads_to(self, following: str, request: RecordedRequest) -> bool:
        """Whether this is the request for that next page."""
        return (
            request.sends(following) if self.page is None else self._spelt(request, self._number(request)) == following
        )

    def with_rows(self, page: Any, rows: list[Row]) -> Any:
        """The page with other rows."""
        if isinstance(page, _LinkedPage):
            return _LinkedPage(put(page.body, self.items, rows), page.next)
        return put(page, self.items, rows)

    def with_token(self, page: Any, token: str) -> Any:
        """The page with another token, of the same type."""
        if isinstance(page, _LinkedPage):
            return _LinkedPage(page.body, token)
        path = self.next or ""
        return put(page, path, int(token) if isinstance(get(page, path), int) else token)

    def without_next(self, page: Any) -> Any:
        """The page as the last one of its list."""
        if isinstance(page, _LinkedPage):
            return _LinkedPage(page.body, None)
        ended = page if self.next is None or get(page, self.next) is None else put(page, self.next, None)
        return ended if self.pages is None else put(ended, self.pages, 1)

    def _number(self, request: RecordedRequest) -> int:
        return int(dict(request.query).get(self.page or "", "1"))

    def _spelt(self, request: RecordedRequest, number: int) -> str:
        rest = sorted(pair for pair in request.query if pair[0] != self.page)
        return f"{request.path} {rest} {number} {request.body!r}"


@dataclass(frozen=True)
class _LinkedPage:
    """A page whose answer names the next one in a header."""

    body: Any
    next: str | None


def _next_link(answer: RecordedResponse) -> str | None:
    links = httpx.Response(answer.status, headers=list(answer.headers)).links
    return links.get("next", {}).get("url")


def get(value: Any, path: str) -> Any:
    """What is there; None when nothing is."""
    for key in path.split(".") if path else ():
        value = value.get(key) if isinstance(value, dict) else None
    return value


def put(value: Any, path: str, new: Any) -> Any:
    """A copy with ``new`` at the path; objects on the way are made."""
    if not path:
        return new
    key, _, rest = path.partition(".")
    old = value if isinstance(value, dict) else {}
    made = put(old.get(key), rest, new)
    if made is GONE:
        return {name: one for name, one in old.items() if name != key}
    return {**old, key: made}


def loads(body: bytes) -> Any:
    """Decode; fractions are ``Decimal``, so that nothing is lost on the way back.

    Raises:
        ValueError: Not JSON.
    """
    return json.loads(body, parse_float=Decimal)


def dumps(value: Any) -> bytes:
    """Encode; NaN and infinity are written as many servers do, and lone surrogates as escapes."""
    return _text(value).encode()


def _text(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else json.dumps(float(value))
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{_text(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    return json.dumps(value)
