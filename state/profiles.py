"""What people call endpoints: a name, a description, labels. Nothing depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.model import Contract
from state.entries import read_as
from state.keys import ENDPOINTS, endpoint_profile_key

if TYPE_CHECKING:
    from contracts.state import KvStore


class EndpointProfile(Contract):
    """How an endpoint is shown. All of it may be empty."""

    name: str | None = None
    description: str | None = None
    domain: str | None = None
    labels: tuple[str, ...] = ()


class EndpointProfiles:
    """Profiles by endpoint. An endpoint without an entry has an empty one."""

    def __init__(self, store: KvStore) -> None:
        self._store = store

    def profile(self, endpoint_id: str) -> EndpointProfile:
        """The endpoint's profile; raises StateCorruptError for an entry that cannot be read."""
        key = endpoint_profile_key(endpoint_id)
        entry = self._store.get(key)
        return EndpointProfile() if entry is None else read_as(EndpointProfile, entry.value, key)

    def list(self) -> dict[str, EndpointProfile]:
        """Every profile by endpoint id."""
        entries = [each for each in self._store.list(ENDPOINTS) if each.key == endpoint_profile_key(each.key.scope_id)]
        return {each.key.scope_id: read_as(EndpointProfile, each.value, each.key) for each in entries}

    def save(self, endpoint_id: str, profile: EndpointProfile) -> None:
        """Keep the profile in place of an earlier one."""
        if profile != self.profile(endpoint_id):
            self._store.put(endpoint_profile_key(endpoint_id), profile.model_dump(mode="json"))

    def forget(self, endpoint_id: str) -> None:
        """Delete the entry."""
        self._store.delete(endpoint_profile_key(endpoint_id))
