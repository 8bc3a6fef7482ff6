"""One list, read to its end: every row once, whatever its pages do.

Pages may come short, empty or twice, a bookmark may expire or repeat, pages that are numbered shift when rows
come and go. What cannot be read is reported, not left out silently.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.http.client import Refusal
from contracts.errors import SourcePageFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from connectors.http.paging import Page, PageRequest, Row, Token

MOST_READINGS = 6
"""Readings of one list before it counts as always changing."""
MOST_NAMED = 20
"""Rows that are left out are named one by one up to here."""
MOST_IDLE_PAGES = 1_000
"""Pages in a row without a new key, with more to come."""


class Listing:
    """One list, read to its end. Iterate once; the attributes are final afterwards.

    Pages that are numbered shift when a row is removed or moved to a page that was read already: the first row of
    the next page takes a place on the page before it, and would be lost. A total does not show it when another row
    is added meanwhile. So such a list is read until two readings have the same keys. One reading is enough for a
    list of one page, for bookmarks of the server, and for overlapping pages (``Page.overlaps``) of which each begins
    with the last row of the page before, with the same total.

    Args:
        page: Asks for a page.
        request: The first page.
        key_of: What tells rows apart.

    Attributes:
        rows: Rows given, each key once.
        duplicates: Rows that came with a key that was there already; they were left out.
        refusal: What the server refused to give; None when the list was read to its end.
    """

    def __init__(
        self, page: Callable[[PageRequest], Page], request: PageRequest, key_of: Callable[[Row], Hashable]
    ) -> None:
        self._page, self._request, self._key_of = page, request, key_of
        self._seen: set[Hashable] = set()
        self._totals: set[int] = set()
        self._left_out: dict[str, None] = {}
        self.rows = self.duplicates = 0
        self.refusal: Refusal | None = None

    @property
    def expected(self) -> int | None:
        """Rows that the server promised; None if it made no promise.

        A total that moved while the list was read promised its least value; more rows than that are no gap.
        """
        return max(self.rows, min(self._totals)) if self._totals else None

    @property
    def refused(self) -> str:
        """The refusal in words; empty when there was none."""
        return f"refused after {self.rows} row(s) of {self._request.unit}: {self.refusal}" if self.refusal else ""

    @property
    def gaps(self) -> tuple[str, ...]:
        """As a slice reports them: the list's refusal, and rows that were left out."""
        named = [f"left out of {self._request.unit}: {why}" for why in [*self._left_out][:MOST_NAMED]]
        more = len(self._left_out) - MOST_NAMED
        named += [f"left out of {self._request.unit}: {more} more"] if more > 0 else []
        return (*((self.refused,) if self.refusal else ()), *named)

    def __iter__(self) -> Iterator[list[Row]]:
        """Rows of each page that were not there before.

        Raises:
            SourcePageFailedError: A page token repeats, or the list changed in every reading.
        """
        before: set[Hashable] | None = None
        for _ in range(MOST_READINGS):
            reading = _ListingPass()
            try:
                yield from self._once(reading)
            except Refusal as refusal:
                if refusal.expired and reading.token is not None:
                    continue
                self.refusal = refusal
                return
            if not reading.shifts or reading.keys == before:
                self._ask_for_total_again()
                return
            before = reading.keys
        raise SourcePageFailedError(
            f"{self._request.unit}: the list was begun {MOST_READINGS} times: its tokens expire, or it keeps changing",
            "Run again; with a smaller slice_rows or a larger page_size a list is read in less time.",
            unit=self._request.unit,
        )

    def _once(self, reading: _ListingPass) -> Iterator[list[Row]]:
        idle = 0
        while True:
            page, known = self._asked(reading.token), len(reading.keys)
            yield self._fresh(reading.rows_after_overlap(page, self._key_of), reading)
            idle = idle + 1 if len(reading.keys) == known else 0
            if page.next is None:
                return
            if page.next in reading.tokens or idle > MOST_IDLE_PAGES:
                what = "gave a page token twice" if page.next in reading.tokens else "gives nothing new and has no end"
                raise SourcePageFailedError(
                    f"The list of {self._request.unit} {what}", "Run again.", unit=self._request.unit
                )
            reading.follow(page.next)

    def _asked(self, token: Token | None) -> Page:
        page = self._page(replace(self._request, token=token))
        if page.total is not None:
            self._totals.add(page.total)
        self._left_out |= dict.fromkeys(one.why for one in page.left_out)
        return page

    def _ask_for_total_again(self) -> None:
        """A row that went while the list was read makes the first page's total too large: what is it now?"""
        if self.expected not in {None, self.rows}:
            self._asked(None)

    def _fresh(self, rows: Sequence[Row], reading: _ListingPass) -> list[Row]:
        """Rows with keys that no page had before; another reading of the list has them all twice by nature."""
        fresh: list[Row] = []
        for row in rows:
            key = self._key_of(row)
            self.duplicates += key in reading.keys
            reading.keys.add(key)
            if key not in self._seen:
                self._seen.add(key)
                fresh.append(row)
        self.rows += len(fresh)
        return fresh


class _ListingPass:
    """One reading of the list from its first page.

    Attributes:
        token: Of the page that is asked for next.
        shifts: Pages are numbered and do not show that nothing moved, so a row may have been missed between two.
    """

    def __init__(self) -> None:
        self.token: Token | None = None
        self.tokens: set[Token] = set()
        self.keys: set[Hashable] = set()
        self.shifts = False
        self._last: Hashable = None
        self._total: int | None = None

    def follow(self, token: Token) -> None:
        """Make that page the next."""
        self.token = token
        self.tokens.add(token)

    def rows_after_overlap(self, page: Page, key_of: Callable[[Row], Hashable]) -> Sequence[Row]:
        """The page's rows, without the one that proves that it continues the page before."""
        rows = page.whole_rows
        continues = page.overlaps and bool(rows) and (key_of(rows[0]), page.total) == (self._last, self._total)
        self.shifts = self.shifts or (isinstance(self.token, int) and not continues)
        self._total, self._last = page.total, key_of(rows[-1]) if rows else self._last
        return rows[1:] if continues else rows
