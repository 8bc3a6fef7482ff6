"""The HTTP side: authentication and limits as Jira has them."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from dataclasses import dataclass

from sandbox.http_service import HttpFaults, HttpReply, HttpService, IncomingRequest
from sandbox.jira.api import JiraApi, failed
from sandbox.jira.site import JiraSite, as_json

CLOUD_ID = "11111111-2222-3333-4444-555555555555"
_API = "/rest/api/3"
_BAD_BEARER = "Failed to parse Connect Session Auth Token"


@dataclass
class JiraFaults(HttpFaults):
    """What goes wrong.

    Attributes:
        most_at_once: More requests than this at once are too many (a burst limit).
        limit_status: What a limit answers: 429, or 403 as gateways do; the headers are the same.
    """

    most_at_once: int | None = None
    limit_status: int = 429


class SandboxJira(HttpService[JiraFaults]):
    """One site; starts with the context, ends with it. Requests with an expired token are anonymous.

    Args:
        site: Its data; small by default.
        latency_s: Each reply takes at least so long.
        faults: What goes wrong.
    """

    api_prefix = _API

    def __init__(
        self, site: JiraSite | None = None, *, latency_s: float = 0.0, faults: JiraFaults | None = None
    ) -> None:
        super().__init__(faults or JiraFaults(), latency_s)
        self.site = site or JiraSite()
        self.email, self.token = "reader@example.com", f"token:{secrets.token_urlsafe(9)}="
        self.bearer = secrets.token_urlsafe(12)
        self.api = JiraApi(self.site)

    def reply(self, request: IncomingRequest) -> HttpReply:
        """By the way of logging in: a bearer token at the gateway, or an account's API token at the site."""
        prefix, authorization = f"/ex/jira/{CLOUD_ID}", request.headers.get("Authorization", "")
        if request.path.startswith(prefix):
            if authorization != f"Bearer {self.bearer}" or self.expired:
                return failed(403, _BAD_BEARER)
            return self._reply(request, request.path.removeprefix(prefix), known=True)
        if authorization.startswith("Bearer"):
            return failed(403, _BAD_BEARER)
        known = self._is_known(authorization)
        reply = self._reply(request, request.path, known=known)
        if not known and authorization:
            reply.headers["X-Seraph-LoginReason"] = "AUTHENTICATED_FAILED"
        return reply

    def failed(self, status: int, message: str) -> HttpReply:
        """In Jira's shape of errors."""
        return failed(status, message)

    def limited(self, request: IncomingRequest) -> HttpReply | None:
        """The burst limit."""
        most = self.faults.most_at_once
        return self._throttled("jira-burst-based") if most is not None and request.at_once > most else None

    def observed(self, request: IncomingRequest) -> str:
        """The path alone."""
        return request.path

    def throttled(self) -> HttpReply:
        """429 by the quota of the site."""
        return self._throttled("jira-quota-tenant-based")

    def _throttled(self, reason: str) -> HttpReply:
        reply = super().throttled()
        reply.status = self.faults.limit_status
        reply.headers |= {"RateLimit-Reason": reason, "X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0"}
        return reply

    def _reply(self, request: IncomingRequest, path: str, *, known: bool) -> HttpReply:
        if path == "/_edge/tenant_info":
            return HttpReply(as_json({"cloudId": CLOUD_ID}))
        if not path.startswith(_API):
            return failed(404, "null for uri")
        if request.method != "GET" and "json" not in request.headers.get("Content-Type", ""):
            return HttpReply(as_json({"title": "Unsupported Media Type", "detail": "Content-Type is missing"}), 415)
        return self.api.reply(request.method, path.removeprefix(_API), request.query, request.content, known=known)

    def _is_known(self, authorization: str) -> bool:
        with suppress(ValueError):
            email, _, token = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            return (email, token) == (self.email, self.token) and not self.expired
        return False
