"""Catalog snapshots: the latest of each endpoint and the one collected before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.catalog import CatalogSnapshot
from contracts.model import Contract
from state.admission import catalog_missing
from state.entries import read_as
from state.keys import catalog_key

if TYPE_CHECKING:
    from contracts.catalog import CatalogDiff
    from contracts.state import KvStore


class _Snapshots(Contract):
    # One value, so that no crash and no race can pair a snapshot with the wrong predecessor.
    latest: CatalogSnapshot
    previous: CatalogSnapshot | None = None

    def diff(self) -> CatalogDiff:
        before = self.previous or self.latest.model_copy(update={"datasets": ()})
        return self.latest.diff(before)


class Catalogs:
    """What each endpoint holds, as last collected. The last writer wins."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def save(self, snapshot: CatalogSnapshot) -> CatalogDiff:
        """Keep the snapshot; the one there becomes the previous one. Returns what changed between the two.

        Raises:
            StateUnavailableError: The store did not answer.
        """
        held = self._held(snapshot.endpoint_id)
        kept = _Snapshots(latest=snapshot, previous=None if held is None else held.latest)
        self._store.put(catalog_key(snapshot.endpoint_id), kept.model_dump(mode="json"))
        return kept.diff()

    def load(self, endpoint_id: str) -> CatalogSnapshot:
        """The latest snapshot.

        Raises:
            CatalogMissingError: The endpoint's catalog was never collected.
        """
        return self._require(endpoint_id).latest

    def diff(self, endpoint_id: str) -> CatalogDiff:
        """What changed from the previous collection to the latest; everything is new after the first.

        Raises:
            CatalogMissingError: The endpoint's catalog was never collected.
        """
        return self._require(endpoint_id).diff()

    def remove(self, endpoint_id: str) -> bool:
        """Forget the endpoint's snapshots; False when there was none."""
        return self._store.delete(catalog_key(endpoint_id))

    def _held(self, endpoint_id: str) -> _Snapshots | None:
        key = catalog_key(endpoint_id)
        entry = self._store.get(key)
        return None if entry is None else read_as(_Snapshots, entry.value, key)

    def _require(self, endpoint_id: str) -> _Snapshots:
        held = self._held(endpoint_id)
        if held is None:
            raise catalog_missing(endpoint_id)
        return held
