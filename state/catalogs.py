"""Catalog snapshots: the latest of each endpoint, and the one before it."""

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
    # A single value, so that neither a crash nor a race can pair a snapshot with the wrong predecessor.
    latest: CatalogSnapshot
    previous: CatalogSnapshot | None = None

    def diff(self) -> CatalogDiff:
        before = self.previous or self.latest.model_copy(update={"datasets": ()})
        return self.latest.diff(before)


class Catalogs:
    """The catalog of each endpoint, as last collected. The last writer wins."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def save(self, snapshot: CatalogSnapshot) -> CatalogDiff:
        """Save the snapshot; the current one becomes the previous one. Returns the difference between the two.

        Raises:
            StateUnavailableError: The store did not respond.
        """
        current = self._find(snapshot.endpoint_id)
        snapshots = _Snapshots(latest=snapshot, previous=None if current is None else current.latest)
        self._store.put(catalog_key(snapshot.endpoint_id), snapshots.model_dump(mode="json"))
        return snapshots.diff()

    def load(self, endpoint_id: str) -> CatalogSnapshot:
        """The latest snapshot.

        Raises:
            CatalogMissingError: The endpoint's catalog was never collected.
        """
        return self._require(endpoint_id).latest

    def latest(self, endpoint_id: str) -> CatalogSnapshot | None:
        """The latest snapshot; None when the endpoint's catalog was never collected."""
        found = self._find(endpoint_id)
        return None if found is None else found.latest

    def diff(self, endpoint_id: str) -> CatalogDiff:
        """What changed from the previous snapshot to the latest; after the first collection, every dataset is new.

        Raises:
            CatalogMissingError: The endpoint's catalog was never collected.
        """
        return self._require(endpoint_id).diff()

    def remove(self, endpoint_id: str) -> bool:
        """Delete the endpoint's snapshots; False when there were none."""
        return self._store.delete(catalog_key(endpoint_id))

    def _find(self, endpoint_id: str) -> _Snapshots | None:
        key = catalog_key(endpoint_id)
        entry = self._store.get(key)
        return None if entry is None else read_as(_Snapshots, entry.value, key)

    def _require(self, endpoint_id: str) -> _Snapshots:
        snapshots = self._find(endpoint_id)
        if snapshots is None:
            raise catalog_missing(endpoint_id)
        return snapshots
