"""The HTTP side: logging in, what strangers see, limits. Sources: REST v2 and v1 references, "Rate limiting"."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import format_datetime

from sandbox.confluence import api_v1, api_v2
from sandbox.confluence.paging import failed_v2
from sandbox.confluence.records import as_json
from sandbox.confluence.site import ConfluenceSite
from sandbox.http_service import HttpFaults, HttpReply, HttpService, IncomingRequest

CLOUD_ID = "22222222-3333-4444-5555-666666666666"
_NOT_PERMITTED = "Current user not permitted to use Confluence"


@dataclass
class ConfluenceFaults(HttpFaults):
    """What goes wrong.

    Attributes:
        anonymous_empty: Whoever is not logged in gets 200 and empty lists instead of 401 or 403.
        public_spaces: Keys of spaces that whoever is not logged in sees, with ``anonymous_empty``.
        children_end_early: The list of a page's children ends after 25 when a child has no position.
        v1_gone: Every path of v1 answers ``v1_gone_status``.
        v1_gone_status: 410, or 404.
        index_lag_s: The search index is so far behind, seconds of the site's clock.
        cursor_lives: Cursors are refused with 400 after so many seconds of the site's clock; None for never.
        expire_next: So many of the next cursors that are used are refused, however young.
        short_pages: The second page of a list has half of what it may have, the third is empty; both have a next.
        size_budget: A page has fewer rows when they would be larger than this, bytes; always one.
        broken_ids: Content whose body answers 500, always.
        broken_lists: A list with bodies that would hold such content answers 500 too.
        replies_lack_container: Replies in lists of all comments name their parent, not the page.
        restriction_limit: Most users and most groups of a restriction in one answer.
        most_at_once: More requests than this at once are too many.
        cloud_id: Of the site.
    """

    anonymous_empty: bool = False
    public_spaces: frozenset[str] = frozenset()
    children_end_early: bool = False
    v1_gone: bool = False
    v1_gone_status: int = 410
    index_lag_s: float = 0.0
    cursor_lives: float | None = None
    expire_next: int = 0
    short_pages: bool = False
    size_budget: int = 5_000_000
    broken_ids: set[str] = field(default_factory=set)
    broken_lists: bool = False
    replies_lack_container: bool = False
    restriction_limit: int = 100
    most_at_once: int | None = None
    cloud_id: str = CLOUD_ID


class SandboxConfluence(HttpService[ConfluenceFaults]):
    """One site; starts with the context, ends with it.

    Args:
        site: Its data; small by default. Its ``base_url`` becomes this server's.
        latency_s: Each reply takes at least so long.
        faults: What goes wrong.
    """

    api_prefix = "/wiki"

    def __init__(
        self, site: ConfluenceSite | None = None, *, latency_s: float = 0.0, faults: ConfluenceFaults | None = None
    ) -> None:
        super().__init__(faults or ConfluenceFaults(), latency_s)
        self.site = site or ConfluenceSite()
        self.site.base_url = self.url
        self.email, self.token = "reader@example.com", f"token:{secrets.token_urlsafe(9)}="
        self.bearer, self.cloud_id = secrets.token_urlsafe(12), self.faults.cloud_id
        self.v2 = api_v2.ConfluenceV2(self.site, self.faults)
        self.v1 = api_v1.ConfluenceV1(self.site, self.faults)

    def reply(self, request: IncomingRequest) -> HttpReply:
        """By the way of logging in: a bearer token at the gateway, or an account's API token at the site."""
        prefix, authorization = f"/ex/confluence/{self.cloud_id}", request.headers.get("Authorization", "")
        if request.path.startswith("/ex/confluence/"):
            if not request.path.startswith(f"{prefix}/") or authorization != f"Bearer {self.bearer}" or self.expired:
                return HttpReply(as_json({"code": 401, "message": "Unauthorized; scope does not match"}), 401)
            return self._reply(request, request.path.removeprefix(prefix), known=True)
        known = self._is_known(authorization)
        if known or (self.faults.anonymous_empty and not authorization.startswith("Bearer")):
            return self._reply(request, request.path, known=known)
        if request.path.startswith(api_v1.API) or authorization.startswith("Bearer"):
            return HttpReply(as_json({"message": _NOT_PERMITTED, "statusCode": 403}), 403)
        return failed_v2(401, "Unauthorized")

    def failed(self, status: int, message: str) -> HttpReply:
        """In v2's shape of errors; 502 and 503 come from the edge, as a page of HTML."""
        if status in {502, 503}:
            return HttpReply(b"<!DOCTYPE html><html><body>Sorry</body></html>", status, {"Content-Type": "text/html"})
        return failed_v2(status, message)

    def clock(self) -> str:
        """The site's own."""
        return format_datetime(self.site.now, usegmt=True)

    def limited(self, request: IncomingRequest) -> HttpReply | None:
        """The burst limit."""
        most = self.faults.most_at_once
        return self.throttled() if most is not None and request.at_once > most else None

    def throttled(self) -> HttpReply:
        """429 with the documented headers; ``Retry-After`` only when ``retry_after_s`` is set (2**63 has been seen)."""
        reply = super().throttled()
        reply.headers |= {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Interval-Seconds": "1"}
        return reply

    def _reply(self, request: IncomingRequest, path: str, *, known: bool) -> HttpReply:
        if path == "/_edge/tenant_info":
            return HttpReply(as_json({"cloudId": self.cloud_id}))
        if path.startswith(f"{api_v2.API}/"):
            below = path.removeprefix(api_v2.API)
            return self.v2.reply(request.method, below, request.query, request.content, known=known, link_path=path)
        if path.startswith(f"{api_v1.API}/"):
            return self.v1.reply(request.method, path.removeprefix(api_v1.API), request.query, known=known)
        return HttpReply(b"<!DOCTYPE html><html><body>Not Found</body></html>", 404, {"Content-Type": "text/html"})

    def _is_known(self, authorization: str) -> bool:
        with suppress(ValueError):
            email, _, token = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            return (email, token) == (self.email, self.token) and not self.expired
        return False
