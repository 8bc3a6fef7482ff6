"""Talks to Confluence Cloud: lists of REST v2 read to their end, single resources, and who is logged in.

Sources: Confluence Cloud REST API v2 reference ("Page", "Blog Post", "Comment", "Attachment", "Label", "Space",
"User"), REST API v1 reference ("Users", "Content restrictions"), "Rate limiting".
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from connectors.http import errors as http_errors
from connectors.http.characters import with_whole_characters
from connectors.http.client import HttpClient, Refusal
from connectors.http.errors import CHECK_CREDENTIALS, unexpected_payload
from connectors.http.json_api import decoded
from connectors.http.listing import Listing
from connectors.http.paging import Page, PageRequest
from contracts.errors import SourceAuthError, SourcePageFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import httpx

    from connectors.confluence.config import ConfluenceConfig
    from connectors.http.paging import Row

AnswerT = TypeVar("AnswerT")
V2, V1 = "/wiki/api/v2", "/wiki/rest/api"
MOST_PER_PAGE = 250
"""Most rows of a page, and most ids of one request."""
MOST_SPACES = 100
"""Most spaces that one request can name."""
GONE = frozenset({404, 410})
typed_errors = partial(http_errors.typed_errors, service="Confluence", what="the site")
"""Refusals and unexpected payloads as typed errors, for requests that concern a unit as a whole."""


class BriefVersion(msgspec.Struct, gc=False):
    """When a version was made."""

    createdAt: str  # noqa: N815 - the service's name


class Brief(msgspec.Struct, gc=False):
    """What a list says of a page or a blog post that is not kept otherwise: a fifth of the work of its payload."""

    id: str | int
    spaceId: str | int | None = None  # noqa: N815 - the service's name
    version: BriefVersion | None = None


class _BriefList(msgspec.Struct, gc=False):
    results: list[Brief]
    _links: dict[str, Any] | None = None


_decode_briefs = msgspec.json.Decoder(_BriefList).decode


class ConfluenceClient:
    """Requests to one site. Safe between threads."""

    def __init__(self, config: ConfluenceConfig) -> None:
        self.config = config
        headers = {"Authorization": config.authorization, "Accept": "application/json"}
        self.http = HttpClient(config.api_url, config, headers, self._look_at, message_of)
        self._clock: datetime | None = None

    def prove_login(self) -> dict[str, Any]:
        """The account. A stranger gets 200 and empty lists from a site that is open to strangers, so this is asked.

        Raises:
            SourceAuthError: The login does not count.
        """
        try:
            account = self.http.get(f"{V1}/user/current", _object)
        except Refusal as refusal:
            if refusal.status not in GONE:
                raise _not_logged_in(str(refusal)) from refusal
            return self._prove_by_v2()
        if account.get("type") == "anonymous" or not account.get("accountId"):
            raise _not_logged_in("the account is anonymous")
        return account

    def _prove_by_v2(self) -> dict[str, Any]:
        """Without v1: only who may use the site can look up people (v2, "Create bulk user lookup using ids")."""
        try:
            self.http.post(f"{V2}/users-bulk", _object, {"accountIds": ["unknown"]})
        except Refusal as refusal:
            raise _not_logged_in(str(refusal)) from refusal
        return {}

    def has_v1(self) -> bool:
        """Whether REST v1 is still there: only it says whom the login belongs to."""
        return bool(self.prove_login())

    def now(self) -> datetime:
        """The server's clock, UTC: the ``Date`` header of an answer (RFC 9110, 6.6.1)."""
        self.prove_login()
        return self._clock or datetime.now(UTC)

    def rows(self, path: str, **query: Any) -> Iterator[list[Row]]:
        """Rows of a list of v2, page by page, each once, to the page without a next one.

        Args:
            path: Below the API.
            query: Parameters; underscores in names become hyphens, None is left out.

        Raises:
            Refusal: The list is refused.
            SourcePageFailedError: A cursor repeats, or an answer is no list.
        """
        listing = Listing(partial(self._page, path, _given(query), "id"), PageRequest(path), lambda row: row["id"])
        yield from listing
        if listing.refusal:
            raise listing.refusal

    def briefs(self, path: str, **query: Any) -> Iterator[list[Brief]]:
        """As :meth:`rows`, without what is not needed to tell contents apart and to see when they changed."""
        page: Any = partial(self._brief_page, path, _given(query))
        listing: Any = Listing(page, PageRequest(path), lambda brief: brief.id)  # type: ignore[attr-defined]
        yield from listing
        if listing.refusal:
            raise listing.refusal

    def versions_of(self, path: str) -> list[Row]:
        """All versions below a content's path; a version has no id, its number tells it apart."""
        listing = Listing(
            partial(self._page, path, {"limit": MOST_PER_PAGE}, "number"), PageRequest(path), lambda row: row["number"]
        )
        rows = [row for page in listing for row in page]
        if listing.refusal:
            raise listing.refusal
        return rows

    def one(self, path: str, **query: Any) -> Row | None:
        """A single resource of v2; None where there is none, or none that the account may see."""
        try:
            return self.http.get(f"{V2}{path}", _object, _given(query))
        except Refusal as refusal:
            if refusal.status in GONE:
                return None
            raise

    def contents(self, kind: str, ids: Sequence[str], *, bodies: bool) -> Iterator[Row]:
        """These pages or blog posts, those that are current or archived, in any order."""
        form = "storage" if bodies else None
        for start in range(0, len(ids), MOST_PER_PAGE):
            chunk = ids[start : start + MOST_PER_PAGE]
            for page in self.rows(f"/{kind}s", id=",".join(chunk), body_format=form, limit=len(chunk)):
                yield from page

    def restrictions(self, content_id: str) -> dict[str, Any]:
        """Who may read and who may update a content, by operation: ``{read: [(type, id)]}`` (REST v1)."""
        found: dict[str, set[tuple[str, str]]] = {}
        start = 0
        while True:
            query = {"expand": "restrictions.user,restrictions.group", "start": start, "limit": 100}
            path = f"{V1}/content/{quote(content_id)}/restriction"
            answer = self.http.get(path, _object, query)
            more = 0
            for each in answer["results"]:
                held = found.setdefault(str(each["operation"]), set())
                for kind, name in (("user", "accountId"), ("group", "id")):
                    listed = each["restrictions"].get(kind) or {}
                    held |= {(kind, str(one.get(name) or one.get("name"))) for one in listed.get("results", ())}
                    count = len(listed.get("results", ()))
                    if count and count >= int(listed.get("limit") or 100):
                        more = max(more, count)
            if not more:
                return found
            start += more

    def close(self) -> None:
        """Close connections."""
        self.http.close()

    def _page(self, path: str, query: dict[str, Any], key: str, request: PageRequest) -> Page:
        answer = self._answer(path, query, request, _object)
        results = answer.get("results")
        if not isinstance(results, list):
            raise SourcePageFailedError(f"GET {V2}{path}: the answer holds no list", "Check base_url; run again.")
        if not all(isinstance(row, dict) and row.get(key) is not None for row in results):
            raise unexpected_payload(path, f"a row has no {key}")
        return Page(results, _following(answer.get("_links")))

    def _brief_page(self, path: str, query: dict[str, Any], request: PageRequest) -> Page:
        try:
            answer = self._answer(path, query, request, _brief_list)
        except msgspec.ValidationError as error:
            raise unexpected_payload(path, error) from error
        results: Any = answer.results
        return Page(results, _following(answer._links))  # noqa: SLF001 - the service's name

    def _answer(
        self, path: str, query: dict[str, Any], request: PageRequest, decode: Callable[[bytes], AnswerT]
    ) -> AnswerT:
        try:
            if request.token is None:
                return self.http.get(f"{V2}{path}", decode, query)
            return self.http.get(f"{V2}{request.token}", decode)
        except Refusal as refusal:
            if refusal.status == 400 and request.token is not None and "cursor" in refusal.message.lower():
                # The reference says that the first request gives a new cursor: as for a bookmark that is gone.
                raise Refusal(410, refusal.message, refusal.where) from refusal
            raise

    def _look_at(self, answer: httpx.Response) -> None:
        if sent := answer.headers.get("Date"):
            self._clock = parsedate_to_datetime(sent).astimezone(UTC)
        failed = "AUTHENTICATED_FAILED" in answer.headers.get("X-Seraph-LoginReason", "")
        if answer.status_code == 401 or failed:
            raise _not_logged_in(str(answer.status_code))
        if answer.status_code == 403 and "not permitted to use Confluence" in answer.text:
            raise _not_logged_in("403: not permitted to use Confluence")


def moment(text: str) -> datetime:
    """A moment as v2 writes it (``2024-01-31T07:08:09.123Z``), UTC.

    Raises:
        SourceValueError: It is none, or outside the years 1 to 9999.
    """
    try:
        found = datetime.fromisoformat(text)
        return found if found.tzinfo is UTC else found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise unexpected_payload("a moment", error) from error


def message_of(body: bytes) -> str:
    """The words of an error body of v2 (``errors[]``) or v1 (``message``), or the beginning of what it is."""
    try:
        document = msgspec.json.decode(body)
    except ValueError:
        document = None
    if isinstance(document, dict):
        errors = document.get("errors")
        if isinstance(errors, list):
            told = [f"{one.get('title', '')} {one.get('detail') or ''}".strip() for one in errors if one]
            return "; ".join(told) or str(errors)
        if "message" in document:
            return str(document["message"])
    return body.decode("utf-8", "replace")


def _given(query: dict[str, Any]) -> dict[str, Any]:
    """Parameters by the service's names, those that have a value."""
    return {name.replace("_", "-"): value for name, value in query.items() if value is not None}


def _brief_list(body: bytes) -> _BriefList:
    return _decode_briefs(with_whole_characters(body))


def _following(links: dict[str, Any] | None) -> str | None:
    """Path and query of the next page below the API.

    The link begins at the site's root, and behind the gateway too, where the API is below another path.
    """
    following = (links or {}).get("next")
    if not following:
        return None
    _, found, below = str(following).partition(V2.removeprefix("/wiki"))
    if not found:
        raise SourcePageFailedError("The link to the next page leads out of the API", "Check base_url; run again.")
    return below


def _object(body: bytes) -> dict[str, Any]:
    answer = decoded(body)
    if not isinstance(answer, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - the client tries again what cannot be read
    return answer


def _not_logged_in(why: str) -> SourceAuthError:
    return SourceAuthError(f"Confluence does not accept the login ({why})", CHECK_CREDENTIALS)
