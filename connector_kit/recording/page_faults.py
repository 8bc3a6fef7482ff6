"""Faults in pages: rows repeated, reordered, delayed or edited, tokens that repeat.

An edit that loses rows would prove nothing, so rows that a page gives up come with the next page of the same chain,
however often that page is asked for.
"""

from __future__ import annotations

import random
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

from connector_kit.recording.faults import Fault
from connector_kit.recording.page_shape import GONE, PageShape, Row, put

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.recording.messages import RecordedRequest, RecordedResponse


@dataclass
class PageFault(Fault):
    """What all page edits share: other answers than pages (not 2xx, not JSON, no rows) pass and are not counted."""

    shape: PageShape

    def edited(self, request: RecordedRequest, answer: RecordedResponse) -> RecordedResponse:
        """The answer with the edited page."""
        if not 200 <= answer.status < 300 or answer.cut_at is not None:
            return answer
        try:
            page = self.shape.opened(answer)
        except ValueError:  # not JSON, and so no page
            return answer
        if self.shape.rows(page) is None:
            return answer
        new = self._page(request, page)
        return answer if new is page else self.shape.closed(new, answer)

    def _page(self, request: RecordedRequest, page: Any) -> Any:
        """The edited page, or the same object when nothing changes."""
        rows = self.shape.rows(page) or []
        return self._edit(request, page, rows) if self._picks(request) else page

    def _edit(self, request: RecordedRequest, page: Any, rows: list[Row]) -> Any:
        raise NotImplementedError


@dataclass
class ReorderRows(PageFault):
    """Rows of a page in another order."""

    seed: int = 1

    def _edit(self, request: RecordedRequest, page: Any, rows: list[Row]) -> Any:
        if len(rows) < 2:
            return page
        mixed = rows[:]
        random.Random(self.seed).shuffle(mixed)  # noqa: S311 - repeatable
        self._did(request, f"sent the page's {len(rows)} rows in another order")
        return self.shape.with_rows(page, rows[::-1] if mixed == rows else mixed)


@dataclass
class EditRow(PageFault):
    """Rows of a page changed by a function.

    Attributes:
        edit: Gives the new row, or None to leave it out. It must not change the row it is given.
        what: The edit in words.
    """

    edit: Callable[[Row], Row | None]
    what: str = "edited"
    _: KW_ONLY
    times: int | None = None

    def _edit(self, request: RecordedRequest, page: Any, rows: list[Row]) -> Any:
        edited = [self.edit(row) for row in rows]
        changed = sum(new is not row for new, row in zip(edited, rows, strict=True))
        if not changed:
            return page
        self._did(request, f"{self.what}: {changed} of {len(rows)} rows")
        return self.shape.with_rows(page, [row for row in edited if row is not None])


@dataclass
class EditField(PageFault):
    """One field of the rows of a page gets another value.

    Attributes:
        name: Keys joined by dots; made when it is not there.
        value: Any JSON value, ``float("nan")`` and lone surrogates too;
            :data:`~connector_kit.recording.page_shape.GONE` removes the field.
        rows: Only the first so many rows of each page; all when None.
    """

    name: str
    value: Any
    rows: int | None = None
    _: KW_ONLY
    times: int | None = None

    def _edit(self, request: RecordedRequest, page: Any, rows: list[Row]) -> Any:
        edited = [put(row, self.name, self.value) for row in rows[: self.rows]]
        if not edited:
            return page
        change = "left out" if self.value is GONE else f"set to {str(self.value)[:60]!a}"
        self._did(request, f"field {self.name} {change} in {len(edited)} of {len(rows)} rows")
        return self.shape.with_rows(page, edited + rows[len(edited) :])


@dataclass
class RepeatToken(PageFault):
    """The token of the next page is the one that led to this page; ``nth`` counts pages that a token led to."""

    _: KW_ONLY
    times: int | None = None
    _given: set[str] = field(default_factory=set, init=False, repr=False)

    def _page(self, request: RecordedRequest, page: Any) -> Any:
        if (token := self.shape.token(page)) is None:
            return page
        with self._lock:
            led_here = next((one for one in sorted(self._given) if request.sends(one)), None)
            self._given.add(token)
        if led_here is None or not self._picks(request):
            return page
        self._did(request, "the token of the next page is the one that led to this page")
        return self.shape.with_token(page, led_here)


@dataclass
class RowsMovedToNextPage(PageFault):
    """What edits that move rows to the next page share."""

    _held: dict[str, list[Row]] = field(default_factory=dict, init=False, repr=False)

    def _page(self, request: RecordedRequest, page: Any) -> Any:
        rows, following = self.shape.rows(page) or [], self.shape.following(request, page)
        with self._lock:
            came = next((withheld for key, withheld in self._held.items() if self.shape.leads_to(key, request)), [])
        sent, withheld = self._moved(request, came, rows, following)
        if following is not None:
            with self._lock:
                self._held[following] = withheld
        return page if sent == rows else self.shape.with_rows(page, sent)

    def _moved(
        self, request: RecordedRequest, came: list[Row], rows: list[Row], following: str | None
    ) -> tuple[list[Row], list[Row]]:
        """Rows for this page, and rows for the next one; ``came`` are those the page before held back."""
        raise NotImplementedError


@dataclass
class RepeatRows(RowsMovedToNextPage):
    """The last rows of a page come again on the next page; on the same page when it is the last one."""

    rows: int = 1

    def _moved(
        self, request: RecordedRequest, came: list[Row], rows: list[Row], following: str | None
    ) -> tuple[list[Row], list[Row]]:
        again = rows[-self.rows :] if rows and self._picks(request) else []
        if again:
            self._did(
                request, f"the last {len(again)} rows come again on {'the next' if following else 'the same'} page"
            )
        return (came + rows, again) if following is not None else (came + rows + again, [])


@dataclass
class ShortenPage(RowsMovedToNextPage):
    """A page with fewer rows than it had; the others come first on the next page. The last page is left whole.

    Attributes:
        keep: The share of rows that stay.
    """

    keep: float = 0.5

    def _moved(
        self, request: RecordedRequest, came: list[Row], rows: list[Row], following: str | None
    ) -> tuple[list[Row], list[Row]]:
        every = came + rows
        if self.shape.offset is not None:  # the rest of the rows are asked for by their position
            return self._cut_by_position(request, rows), []
        if following is None or not every:
            return every, []
        if not self._picks(request):  # as many as the page had, so that no page but the last is longer than asked for
            return every[: len(rows)], every[len(rows) :]
        stay = int(len(every) * self.keep)
        self._did(request, f"sent {stay} of {len(every)} rows, the others come on the next page")
        return every[:stay], every[stay:]

    def _cut_by_position(self, request: RecordedRequest, rows: list[Row]) -> list[Row]:
        if len(rows) < 2 or not self._picks(request):
            return rows
        stay = max(1, int(len(rows) * self.keep))
        self._did(request, f"sent {stay} of {len(rows)} rows, the others are asked for by their position")
        return rows[:stay]


@dataclass
class EmptyPage(ShortenPage):
    """A page without rows and with a next page, where its rows are."""

    keep: float = 0.0
