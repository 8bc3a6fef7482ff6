"""Deletes sessions whose time to live has passed, but never one that an active run may still read."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from contracts.errors import StageError
from contracts.model import Contract

if TYPE_CHECKING:
    from collections.abc import Collection

    from contracts.staging import StagedSessionInfo, StagingProvider


class CleanReport(Contract):
    """The result of one cleaning; bytes include every object of a session."""

    removed_sessions: int = 0
    removed_bytes: int = 0
    kept_sessions: int = 0
    """Sessions younger than their time to live, or of an active run."""
    kept_bytes: int = 0
    live_sessions: int = 0
    """Expired sessions that were kept because their run is active."""
    failures: tuple[str, ...] = ()
    """``key: code`` of sessions that could not be deleted; the next cleaning tries again."""


def clean(
    provider: StagingProvider,
    *,
    ttl_s: float,
    now: datetime,
    live_run_ids: Collection[str],
    consumed_ttl_s: float | None = None,
) -> CleanReport:
    """Delete sessions whose newest object is older than ``ttl_s`` seconds at ``now`` (timezone-aware).

    Consumed sessions expire after ``consumed_ttl_s`` (``ttl_s`` if None). Sessions of runs in ``live_run_ids`` are kept
    at any age.

    Raises:
        StageError: The sessions could not be listed.
    """
    live = frozenset(live_run_ids)
    consumed = timedelta(seconds=ttl_s if consumed_ttl_s is None else consumed_ttl_s)
    tally: Counter[str] = Counter()
    failures: list[str] = []
    for session in tuple(provider.sessions()):
        limit = consumed if session.state == "consumed" else timedelta(seconds=ttl_s)
        expired = now - session.modified_at > limit
        removed = expired and session.run_id not in live and _remove(provider, session, failures)
        outcome = "removed" if removed else "kept"
        tally[f"{outcome}_sessions"] += 1
        tally[f"{outcome}_bytes"] += session.bytes
        tally["live_sessions"] += expired and session.run_id in live
    return CleanReport(**tally, failures=tuple(failures))


def _remove(provider: StagingProvider, session: StagedSessionInfo, failures: list[str]) -> bool:
    try:
        provider.delete(session.key)
    except StageError as error:
        failures.append(f"{session.key}: {error.code}")
        return False
    return True
