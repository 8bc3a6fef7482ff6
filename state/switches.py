"""What operators switch off for a while: whole endpoints, and single (endpoint, unit, sink)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import EndpointDisabledError
from contracts.receipts import RunRef
from state.keys import UNIT_HOLDS, endpoint_switch_key, unit_hold_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.state import KvStore


class EndpointSwitches:
    """Which endpoints may be run; one that nobody switched is on."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def is_on(self, endpoint_id: str) -> bool:
        """False when somebody switched the endpoint off."""
        held = self._store.get(endpoint_switch_key(endpoint_id))
        return held is None or held.value.get("on") is not False

    def switch(self, endpoint_id: str, *, on: bool) -> None:
        """Let the endpoint's units run, or not."""
        self._store.put(endpoint_switch_key(endpoint_id), {"on": on})

    def forget(self, endpoint_id: str) -> None:
        """Back to on, as an endpoint of that name which is registered later should be."""
        self._store.delete(endpoint_switch_key(endpoint_id))

    def require_on(self, endpoint_id: str) -> None:
        """Raises EndpointDisabledError for an endpoint that is off."""
        if not self.is_on(endpoint_id):
            raise EndpointDisabledError(
                f"Endpoint {endpoint_id!r} is disabled",
                "Enable it (`nucleus endpoint enable`, updateEndpoint), or choose another one.",
                endpoint_id=endpoint_id,
            )


class UnitHolds:
    """Paused units. A hold names the runs that are to end; a run that starts later has another id and goes on."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def hold(self, ref: RunRef, run_ids: Sequence[str]) -> None:
        """Ask these runs to end, and hold back the unit's schedule."""
        self._store.put(unit_hold_key(ref), {**ref.model_dump(), "runs": [*run_ids]})

    def release(self, ref: RunRef) -> bool:
        """Let the unit go on; False when nothing held it."""
        return self._store.delete(unit_hold_key(ref))

    def is_held(self, ref: RunRef) -> bool:
        """True while somebody holds the unit back."""
        return self._store.get(unit_hold_key(ref)) is not None

    def ends(self, ref: RunRef, run_id: str) -> bool:
        """True when that run was asked to end."""
        entry = self._store.get(unit_hold_key(ref))
        runs = None if entry is None else entry.value.get("runs")
        return isinstance(runs, list) and run_id in runs

    def list(self, endpoint_id: str | None = None) -> frozenset[RunRef]:
        """Everything that is held (of the endpoint)."""
        found = self._store.list(UNIT_HOLDS, endpoint_id)
        return frozenset(RunRef(**{name: str(each.value.get(name)) for name in RunRef.model_fields}) for each in found)
