"""Removing what is past its time to live, never what a live run may still read."""

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
    """What one cleaning did; bytes count every object of a session."""

    removed_sessions: int = 0
    removed_bytes: int = 0
    kept_sessions: int = 0
    """Younger than their time to live, or of a live run."""
    kept_bytes: int = 0
    live_sessions: int = 0
    """Of the kept ones, those past their time that a live run protects."""
    failures: tuple[str, ...] = ()
    """``key: code`` of sessions that could not be removed; they are tried again next time."""


def clean(
    provider: StagingProvider,
    *,
    ttl_s: float,
    now: datetime,
    live_run_ids: Collection[str],
    consumed_ttl_s: float | None = None,
) -> CleanReport:
    """Remove sessions whose newest object is older than ``ttl_s`` seconds at ``now`` (aware).

    Consumed ones go after ``consumed_ttl_s`` (``ttl_s`` when None). A session of a run in ``live_run_ids``
    stays at any age.

    Raises:
        StageError: The sessions could not be listed.
    """
    live = frozenset(live_run_ids)
    consumed = timedelta(seconds=ttl_s if consumed_ttl_s is None else consumed_ttl_s)
    tally: Counter[str] = Counter()
    failures: list[str] = []
    for session in tuple(provider.sessions()):
        limit = consumed if session.state == "consumed" else timedelta(seconds=ttl_s)
        past = now - session.modified_at > limit
        removed = past and session.run_id not in live and _remove(provider, session, failures)
        fate = "removed" if removed else "kept"
        tally[f"{fate}_sessions"] += 1
        tally[f"{fate}_bytes"] += session.bytes
        tally["live_sessions"] += past and session.run_id in live
    return CleanReport(**tally, failures=tuple(failures))


def _remove(provider: StagingProvider, session: StagedSessionInfo, failures: list[str]) -> bool:
    try:
        provider.delete(session.key)
    except StageError as error:
        failures.append(f"{session.key}: {error.code}")
        return False
    return True
