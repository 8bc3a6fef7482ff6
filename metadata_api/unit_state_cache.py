"""Where the units of an endpoint stand, kept in memory so that asking about a thousand of them is one small question.

A unit's state changes when a run of it begins or ends, or when somebody pauses it. So only those are read again that
had such a run, or a hold, since the last look; everything is read again every 45 seconds, by the dispatcher, for
endpoints that somebody asks about. What Prefect says is alive now is asked every time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any

from flows.operations.statuses import checkpoints_of, current_states, ref_of
from flows.prefect_api.runs import ALIVE, ENDED

if TYPE_CHECKING:
    from contracts.receipts import RunRef
    from contracts.unit import UnitState
    from flows.prefect_api.runs import Run
    from flows.wiring import Workspace

WHOLE_EVERY_S = 45.0
FORGOTTEN_AFTER_S = 600.0
_NEVER = datetime.min.replace(tzinfo=UTC)
_MARGIN = timedelta(seconds=15)
"""A run notes its end a moment before Prefect does, and clocks differ."""


@dataclass
class _CachedEndpoint:
    states: dict[RunRef, UnitState] = field(default_factory=dict)
    cursors: dict[RunRef, dict[str, Any]] = field(default_factory=dict)
    read_at: float = float("-inf")
    """Of everything, monotonic seconds."""
    looked_at: datetime = _NEVER
    """Runs that began or ended before are known."""
    asked_at: float = 0.0
    held: frozenset[RunRef] = frozenset()
    """Paused by an operator."""
    invalidated: set[RunRef] = field(default_factory=set)
    """Paused, or changed through this API: read again at the next query."""


class UnitStateCache:
    """Safe between threads.

    Args:
        workspace: Where the truth is.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._endpoints: dict[str | None, _CachedEndpoint] = {}
        self._locks: dict[str | None, Lock] = {}
        self._lock = Lock()

    def states(self, endpoint_id: str | None) -> tuple[UnitState, ...]:
        """Every state of the endpoint (of all endpoints when None), as it is now, by endpoint, unit and sink."""
        cached = self._current(endpoint_id)
        return current_states(self._workspace, cached.states.values(), cached.held, endpoint_id)

    def cursors(self, endpoint_id: str) -> dict[RunRef, dict[str, Any]]:
        """Saved cursors of the endpoint; ask for the states first."""
        cached = self._endpoints.get(endpoint_id)
        return {} if cached is None else dict(cached.cursors)

    def invalidate(self, ref: RunRef) -> None:
        """Read this unit's state again at the next query: it was changed through this API."""
        for place in (ref.endpoint_id, None):
            if (cached := self._endpoints.get(place)) is not None:
                cached.invalidated.add(ref)

    def refresh(self) -> None:
        """Read everything again for endpoints that somebody asked about lately; forget the others."""
        now = time.monotonic()
        for endpoint_id, cached in [*self._endpoints.items()]:
            if now - cached.asked_at > FORGOTTEN_AFTER_S:
                self._endpoints.pop(endpoint_id, None)
            elif now - cached.read_at > WHOLE_EVERY_S:
                with self._lock_of(endpoint_id):
                    self._read_all(endpoint_id, cached)

    def _current(self, endpoint_id: str | None) -> _CachedEndpoint:
        with self._lock_of(endpoint_id):
            cached = self._endpoints.setdefault(endpoint_id, _CachedEndpoint())
            cached.asked_at = time.monotonic()
            if cached.asked_at - cached.read_at > 2 * WHOLE_EVERY_S:
                self._read_all(endpoint_id, cached)
            else:
                self._read_changed(endpoint_id, cached)
            return cached

    def _read_all(self, endpoint_id: str | None, cached: _CachedEndpoint) -> None:
        now = datetime.now(UTC)
        states = {ref_of(state): state for state in self._workspace.states.list(endpoint_id)}
        cursors = {} if endpoint_id is None else dict(checkpoints_of(self._workspace, endpoint_id))
        cached.states, cached.cursors, cached.read_at, cached.looked_at = states, cursors, time.monotonic(), now
        cached.held = self._workspace.holds.list(endpoint_id)

    def _read_changed(self, endpoint_id: str | None, cached: _CachedEndpoint) -> None:
        now, since = datetime.now(UTC), cached.looked_at - _MARGIN
        runs = self._workspace.runs
        # A run that waited for its turn is alive since its state says so: it began, and was put back, before.
        begun = (run for run in runs.find(ALIVE) if run.state_at > since)
        moved = [*runs.find(ENDED, ended_after=since), *begun]
        changed = {run.ref for run in moved if _is_of(run, endpoint_id)}
        cached.held = self._workspace.holds.list(endpoint_id)
        again = {ref for ref in changed | cached.held | cached.invalidated if ref is not None}
        cached.invalidated = {*cached.held}  # once more after it is released
        for ref in again:
            cached.states[ref] = self._workspace.states.state(ref)
            cached.cursors.pop(ref, None)
            if endpoint_id is None:
                continue
            saved = self._workspace.checkpoints(self._workspace.vendor(endpoint_id)).load(ref)
            if saved is not None:
                cached.cursors[ref] = dict(saved.cursor)
        cached.looked_at = now

    def _lock_of(self, endpoint_id: str | None) -> Lock:
        with self._lock:
            return self._locks.setdefault(endpoint_id, Lock())


def _is_of(run: Run, endpoint_id: str | None) -> bool:
    return run.ref is not None and endpoint_id in {None, run.ref.endpoint_id}
