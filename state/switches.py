"""What operators switch off temporarily: whole endpoints, and single (endpoint, unit, sink)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import RunPausedError
from contracts.receipts import RunRef
from state.admission import require_enabled
from state.keys import UNIT_HOLDS, endpoint_switch_key, unit_hold_key

if TYPE_CHECKING:
    from contracts.state import KvStore


class EndpointSwitches:
    """Which endpoints are enabled. An endpoint without an entry is."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def is_on(self, endpoint_id: str) -> bool:
        """False when an operator disabled the endpoint."""
        entry = self._store.get(endpoint_switch_key(endpoint_id))
        return entry is None or entry.value.get("on") is not False

    def switch(self, endpoint_id: str, *, on: bool) -> None:
        """Enable or disable every unit of the endpoint."""
        self._store.put(endpoint_switch_key(endpoint_id), {"on": on})

    def forget(self, endpoint_id: str) -> None:
        """Delete the entry, so that an endpoint registered later under the same id is enabled."""
        self._store.delete(endpoint_switch_key(endpoint_id))

    def require_on(self, endpoint_id: str) -> None:
        """Refuse a disabled endpoint.

        Raises:
            EndpointDisabledError: An operator disabled the endpoint.
        """
        require_enabled(endpoint_id, enabled=self.is_on(endpoint_id))


class UnitHolds:
    """Paused units. While there is a hold, a run of the unit that is at work ends, and no other may begin."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def hold(self, ref: RunRef) -> None:
        """Ask the unit's run to end, and suspend the unit's schedule."""
        self._store.put(unit_hold_key(ref), ref.model_dump())

    def release(self, ref: RunRef) -> bool:
        """Remove the hold; False when there was none."""
        return self._store.delete(unit_hold_key(ref))

    def is_held(self, ref: RunRef) -> bool:
        """True while an operator has paused the unit."""
        return self._store.get(unit_hold_key(ref)) is not None

    def require_free(self, ref: RunRef) -> None:
        """Refuse a paused unit: no run of it may begin.

        Raises:
            RunPausedError: An operator paused the unit.
        """
        if self.is_held(ref):
            raise RunPausedError(
                f"{ref} is paused, and its schedule is suspended",
                "End the pause and run it with `nucleus resume` or startIngestion.",
                ref=str(ref),
            )

    def list(self, endpoint_id: str | None = None) -> frozenset[RunRef]:
        """Every paused (endpoint, unit, sink), of one endpoint if given."""
        entries = self._store.list(UNIT_HOLDS, endpoint_id)
        return frozenset(
            RunRef(**{name: str(each.value.get(name)) for name in RunRef.model_fields}) for each in entries
        )
