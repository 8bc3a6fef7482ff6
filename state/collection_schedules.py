"""When the catalogs of endpoints are collected by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from state.keys import ENDPOINTS, collection_schedule_key

if TYPE_CHECKING:
    from contracts.state import KvStore


class CollectionSchedules:
    """A cron line or ``every <seconds>`` per endpoint. An endpoint without an entry is collected on demand only."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def list(self) -> dict[str, str]:
        """Every schedule by endpoint id."""
        entries = (
            each for each in self._store.list(ENDPOINTS) if each.key == collection_schedule_key(each.key.scope_id)
        )
        return {each.key.scope_id: str(each.value.get("schedule")) for each in entries}

    def set(self, endpoint_id: str, schedule: str) -> None:
        """Keep the schedule in place of an earlier one."""
        self._store.put(collection_schedule_key(endpoint_id), {"schedule": schedule})

    def forget(self, endpoint_id: str) -> bool:
        """Delete the entry; False when there was none."""
        return self._store.delete(collection_schedule_key(endpoint_id))
