"""The HTTP side: a bearer token and a rate limit."""

from __future__ import annotations

import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from email.utils import format_datetime

from sandbox.http_service import HttpFaults, HttpReply, HttpService, IncomingRequest
from sandbox.openshelf.api import OpenshelfApi, failed
from sandbox.openshelf.site import ShelfSite


@dataclass
class ShelfFaults(HttpFaults):
    """What goes wrong.

    Attributes:
        most_per_s: More requests than this in one second are 429.
        refused: Beginning of ``path?query`` to a status: replied so for as long as it is here.
    """

    most_per_s: int | None = None
    refused: dict[str, int] = field(default_factory=dict)


class SandboxOpenshelf(HttpService[ShelfFaults]):
    """One service; starts with the context, ends with it.

    Args:
        site: Its data; 400 books by default.
        latency_s: Each reply takes at least so long.
        faults: What goes wrong.
    """

    def __init__(
        self, site: ShelfSite | None = None, *, latency_s: float = 0.0, faults: ShelfFaults | None = None
    ) -> None:
        super().__init__(faults or ShelfFaults(), latency_s)
        self.site = site or ShelfSite()
        self.token = f"shelf-{secrets.token_urlsafe(12)}"
        self.api = OpenshelfApi(self.site)
        self.behaviour = self.api.behaviour
        self._recent: deque[float] = deque()

    def reply(self, request: IncomingRequest) -> HttpReply:
        """The reply, to callers with a valid token."""
        for beginning, status in self.faults.refused.items():
            if request.target.startswith(beginning):
                return failed(status, "not for you")
        if request.headers.get("Authorization", "") != f"Bearer {self.token}" or self.expired:
            return failed(401, "the token is not valid")
        if request.method == "PATCH":
            return self.api.change(request.path, request.content)
        return self.api.reply(request.path, {name: values[-1] for name, values in request.query.items()})

    def failed(self, status: int, message: str) -> HttpReply:
        """In the service's words."""
        return failed(status, message)

    def limited(self, request: IncomingRequest) -> HttpReply | None:  # noqa: ARG002 - all requests count
        """The rate limit."""
        now, most = time.monotonic(), self.faults.most_per_s
        with self.lock:
            while self._recent and self._recent[0] <= now - 1.0:
                self._recent.popleft()
            self._recent.append(now)
            return self.throttled() if most is not None and len(self._recent) > most else None

    def clock(self) -> str:
        """The service's own."""
        return format_datetime(self.site.now, usegmt=True)
