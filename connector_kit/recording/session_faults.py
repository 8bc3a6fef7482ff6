"""Faults of a session: a login that lapses while a list is read, and page tokens that die with the process."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from connector_kit.recording.messages import RecordedResponse
from connector_kit.recording.page_faults import PageFault
from connector_kit.recording.page_shape import get, put

if TYPE_CHECKING:
    from connector_kit.recording.messages import RecordedRequest
    from connector_kit.recording.page_shape import Row


@dataclass
class LapseLogin(PageFault):
    """From the ``nth`` page on, pages are the last ones and empty, as a stranger sees them; all else is answered 401.

    Attributes:
        total: Where the page says how many rows the whole list has; it says none then.
    """

    total: str | None = None
    _: KW_ONLY
    nth: int = 2
    times: int | None = None

    def instead(self, request: RecordedRequest) -> RecordedResponse | None:
        """401 to what asks for no page, once the login has lapsed."""
        if self.path in request.path or not self.done:
            return None
        return RecordedResponse(401, (("Content-Type", "application/json"),), b'{"error":"who are you?"}')

    def _edit(self, request: RecordedRequest, page: Any, rows: list[Row]) -> Any:
        self._did(request, f"answered 200 with none of {len(rows)} rows, because the login has lapsed")
        empty = self.shape.without_next(self.shape.with_rows(page, []))
        return put(empty, self.total, 0) if self.total is not None and get(empty, self.total) is not None else empty


@dataclass
class StaleTokens(PageFault):
    """Page tokens that were given before :meth:`restart` are refused after it.

    Attributes:
        answer: How the system refuses them.
    """

    answer: RecordedResponse
    _: KW_ONLY
    times: int | None = None
    _given: set[str] = field(default_factory=set, init=False, repr=False)
    _stale: set[str] = field(default_factory=set, init=False, repr=False)

    def restart(self) -> None:
        """Every token that was given so far is stale."""
        with self._lock:
            self._stale, self._given = self._stale | self._given, set()

    def instead(self, request: RecordedRequest) -> RecordedResponse | None:
        """The refusal."""
        with self._lock:
            stale = any(request.sends(token) for token in self._stale)
        if not stale:
            return None
        self._did(request, f"refused a page token of the process before with {self.answer.status}")
        return replace(self.answer)

    def _page(self, request: RecordedRequest, page: Any) -> Any:  # noqa: ARG002 - of all page faults
        token = self.shape.token(page)
        if token is not None:
            with self._lock:
                self._given.add(token)
                self._stale.discard(token)  # the same words, given anew
        return page
