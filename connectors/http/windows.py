"""The time windows that a unit is split into, and its newest change, both determined from pages alone.

Nothing here trusts a clock: both come from the rows. A plan's watermark comes from the newest change that the
service showed while the plan was made.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from contracts.model import Contract

if TYPE_CHECKING:
    from connectors.http.paging import Page, Row

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = datetime(2100, 1, 1, tzinfo=UTC)
"""Where halving ends. Not today: the questions would be others each day, and recorded answers good for none of them."""
_MOMENT = timedelta(milliseconds=1)
_NARROWEST = timedelta(seconds=2)


class ChangeWindow(Contract):
    """Rows changed from ``since`` on and before ``before``; None: open on that side."""

    since: datetime | None = None
    before: datetime | None = None
    rows: int | None = None
    """About how many."""

    def __str__(self) -> str:
        if self.since is None and self.before is None:
            return "everything"
        return f"{_in_words(self.since)} to {_in_words(self.before)}"


class Probe(Protocol):
    """Asks for first pages."""

    def first_page(self, since: datetime | None, before: datetime | None = None) -> Page:
        """The first page of a window, of the usual size."""
        ...

    def count(self, since: datetime | None, before: datetime | None = None) -> int | None:
        """How many rows a window has, if the service says so."""
        ...

    def divide(self, moment: datetime) -> datetime:
        """A moment at or before this one by which the service can filter."""
        ...

    def moment(self, row: Row) -> datetime | None:
        """When the row changed last."""
        ...


def newest(probe: Probe, since: datetime | None, latest: datetime) -> datetime | None:
    """The newest change there is from ``since`` on; None where there is none.

    Args:
        probe: Requests pages.
        since: Where to begin.
        latest: Rows that claim to have changed after it are left out: a date in the far future must not become the
            watermark that all later runs begin at.
    """
    page = probe.first_page(since)
    best = max(_moments(probe, page, latest), default=None)
    low, high = since or _EPOCH, max(_FAR, latest + _MOMENT)
    while page.next is not None and high - low > _MOMENT:
        middle = low + (high - low) / 2
        later = probe.first_page(middle)
        moments = _moments(probe, later, latest)
        if later.next is None and moments:
            return max(moments)
        low, high = (low, middle) if later.next is None or middle > latest else (middle, high)
        best = max([*moments, *([best] if best else [])], default=None)
    return best


def split_windows(probe: Probe, since: datetime | None, top: datetime | None, wanted: int) -> list[ChangeWindow]:
    """Disjoint windows from ``since`` on, of about ``wanted`` rows each, open at the end.

    One window where the service gives no totals, or where the totals of two halves do not add up: then it
    does not filter as it should (or has rows without the column), and only the unfiltered list holds every row.

    Args:
        probe: Requests pages.
        since: Where to begin.
        top: The newest change there is. Where to split follows from the rows, not from the time of day.
        wanted: Rows per window.
    """
    whole = ChangeWindow(since=since, rows=probe.count(since))
    if top is None or whole.rows is None or whole.rows <= wanted * 3 // 2 or top - (since or _EPOCH) < _NARROWEST:
        return [whole]
    middle = probe.divide(_middle(since or _EPOCH, top))
    if middle <= (since or _EPOCH):
        return [whole]
    below, above = probe.count(since, middle), probe.count(middle)
    if below is None or above is None or below + above != whole.rows:
        return [whole]
    low = ChangeWindow(since=since, before=middle, rows=below)
    high = ChangeWindow(since=middle, rows=above)
    return _merged([*_pieces(probe, low, top, wanted), *_pieces(probe, high, top, wanted)], wanted)


def _pieces(probe: Probe, window: ChangeWindow, top: datetime, wanted: int) -> list[ChangeWindow]:
    """The window, halved until each piece is small enough or too narrow to be split."""
    low, high, rows = window.since or _EPOCH, window.before or top + _MOMENT, window.rows or 0
    if rows <= wanted * 3 // 2 or high - low < _NARROWEST:
        return [window]
    middle = probe.divide(_middle(low, high))
    if middle <= low:
        return [window]
    below = probe.count(window.since, middle) or 0
    halves = (
        ChangeWindow(since=window.since, before=middle, rows=below),
        ChangeWindow(since=middle, before=window.before, rows=max(rows - below, 0)),
    )
    return [piece for half in halves for piece in _pieces(probe, half, top, wanted)]


def _merged(windows: list[ChangeWindow], wanted: int) -> list[ChangeWindow]:
    """Neighbours that together hold no more than wanted become one."""
    made: list[ChangeWindow] = []
    for window in windows:
        rows = (made[-1].rows or 0) + (window.rows or 0) if made else wanted + 1
        if rows <= wanted:
            made[-1] = ChangeWindow(since=made[-1].since, before=window.before, rows=rows)
        else:
            made.append(window)
    return made


def _middle(low: datetime, high: datetime) -> datetime:
    """Halfway, at a whole second: every service can filter by that."""
    return (low + (high - low) / 2).replace(microsecond=0)


def _moments(probe: Probe, page: Page, latest: datetime) -> list[datetime]:
    moments = (probe.moment(row) for row in page.whole_rows)
    return [moment for moment in moments if moment is not None and moment <= latest]


def _in_words(moment: datetime | None) -> str:
    return "…" if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")
