"""Cutting a project into windows of creation time that each hold about the wanted number of issues.

Windows lie on ``created``: it never changes, so an issue that is edited while the run lasts stays in its window, and
windows are disjoint and cover everything. Counts are approximate and only decide where to split, never what is read.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from connectors.http.client import Refusal
from connectors.jira import jql
from contracts.model import Contract

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

_MINUTE_MS = 60_000
_MOST_PIECES = 64


class Counts(Protocol):
    """What cutting asks of the site."""

    def count(self, jql: str) -> int:
        """About how many issues match."""
        ...

    def edge(self, jql: str, order: str) -> datetime | None:
        """Creation of the first matching issue in an order."""
        ...


class ProjectWindow(Contract):
    """Issues of one project created from ``low_ms`` on and before ``high_ms``; None: open on that side."""

    project: str
    conditions: tuple[str, ...] = ()
    low_ms: int | None = None
    high_ms: int | None = None
    issues: int = 0
    """About how many."""

    @property
    def jql(self) -> str:
        """Without an order."""
        parts = [f"project = {jql.quoted(self.project)}", *self.conditions]
        if self.low_ms is not None:
            parts.append(jql.at_least("created", self.low_ms))
        if self.high_ms is not None:
            parts.append(jql.before("created", self.high_ms))
        return jql.all_of(parts)


def split_windows(site: Counts, unsplit: Sequence[ProjectWindow], wanted: int, workers: int) -> list[ProjectWindow]:
    """Every project's window as windows of about ``wanted`` issues, in order; empty ones stay: they cost one request.

    Where to split depends on the issues alone, not on the time of day: an unchanged site is split the same way twice.

    Args:
        site: Where counts come from.
        unsplit: One per project, open on both sides.
        wanted: Issues per window.
        workers: Requests side by side.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="probe") as pool:
        counted = list(pool.map(lambda window: _counted(site, window), unsplit))
        large = [window for window in counted if window.issues > wanted * 3 // 2]
        spans = dict(zip([window.project for window in large], pool.map(lambda w: _span(site, w), large), strict=True))
        made: list[ProjectWindow] = []
        for window in counted:
            span = spans.get(window.project)
            if span is None:
                made.append(window)
                continue
            pieces = _pieces(window, *span, wanted)
            made += _merged(_refined(site, pieces, wanted, span[1], pool.map), wanted)
    return made


def _counted(site: Counts, window: ProjectWindow) -> ProjectWindow:
    """The window with its count; none where the query is refused, as for some archived projects: its slice says so."""
    try:
        return window.model_copy(update={"issues": site.count(window.jql)})
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        return window


def _span(site: Counts, window: ProjectWindow) -> tuple[int, int] | None:
    """Moments of the oldest issue and just after the newest."""
    first, last = site.edge(window.jql, "created ASC"), site.edge(window.jql, "created DESC")
    return (jql.milliseconds(first), jql.milliseconds(last) + 1) if first and last else None


def _pieces(window: ProjectWindow, low_ms: int, high_ms: int, wanted: int) -> list[ProjectWindow]:
    """Equal stretches of time between two moments, at least a minute each, open where the window is open."""
    span = max(high_ms - low_ms, 1)
    count = max(2, min(_MOST_PIECES, -(-window.issues // wanted), span // _MINUTE_MS))
    edges = [low_ms + span * index // count for index in range(1, count)]
    lows, highs = [window.low_ms, *edges], [*edges, window.high_ms]
    return [
        window.model_copy(update={"low_ms": low, "high_ms": high, "issues": 0})
        for low, high in zip(lows, highs, strict=True)
    ]


def _refined(
    site: Counts, windows: Sequence[ProjectWindow], wanted: int, last_ms: int, map_all: Callable[..., object]
) -> list[ProjectWindow]:
    """Count the windows; split those that are still too large and can be split."""
    counted: list[ProjectWindow] = list(map_all(lambda window: _counted(site, window), windows))  # type: ignore[call-overload]
    made: list[ProjectWindow] = []
    for window in counted:
        edge = _halfway(site, window, last_ms) if window.issues > wanted * 3 // 2 else None
        made += [window] if edge is None else _refined(site, _split(window, edge), wanted, last_ms, map_all)
    return made


def _halfway(site: Counts, window: ProjectWindow, last_ms: int) -> int | None:
    """A moment inside the window, of an open one between its oldest and newest issue; None where it is too narrow."""
    low = window.low_ms
    if low is None:
        first = site.edge(window.jql, "created ASC")
        low = jql.milliseconds(first) if first else None
    high = window.high_ms or last_ms
    if low is None or high - low < 2 * _MINUTE_MS:
        return None
    return (low + high) // 2


def _split(window: ProjectWindow, edge: int) -> list[ProjectWindow]:
    return [window.model_copy(update={"high_ms": edge}), window.model_copy(update={"low_ms": edge})]


def _merged(windows: Sequence[ProjectWindow], wanted: int) -> list[ProjectWindow]:
    """Neighbours that together hold no more than wanted become one."""
    made: list[ProjectWindow] = []
    for window in windows:
        if made and made[-1].issues + window.issues <= wanted:
            last = made.pop()
            window = last.model_copy(  # noqa: PLW2901 - continue with the merged one
                update={"high_ms": window.high_ms, "issues": last.issues + window.issues}
            )
        made.append(window)
    return made
