"""What a run waited for: steps tried again, and what its source's system asked for where the source counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.traits import ReportsThrottling

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.endpoint import SourceEndpoint
    from contracts.receipts import RunSummary, Throttling


def throttling_from_now(source: SourceEndpoint) -> Callable[[], Throttling | None]:
    """A function that says what was added since; it gives None for a source that does not count."""
    if not isinstance(source, ReportsThrottling):
        return lambda: None
    begun = source.throttling()
    return lambda: source.throttling().since(begun)


def waits_in_words(retries: int, throttling: Throttling | None) -> list[str]:
    """What a run waited for, a phrase each; empty when it did not."""
    repeated, paused_s = (0, 0.0) if throttling is None else (throttling.requests_repeated, throttling.paused_s)
    return [
        *([f"{retries:,} step(s) tried again"] if retries else []),
        *([f"{repeated:,} request(s) repeated"] if repeated else []),
        *([f"{paused_s:,.1f} s of pauses for the source's rate limit"] if paused_s else []),
    ]


def waited(summary: RunSummary) -> str:
    """What a run waited for, and the codes of what was tried again, in one line; empty when it did not."""
    waits = waits_in_words(sum(summary.retries.values()), summary.throttling)
    return ", ".join([*waits, *sorted(summary.retries)])
