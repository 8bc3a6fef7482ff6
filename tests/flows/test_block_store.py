"""The block driver of KvStore keeps the promises of the suite, and an operator can read and edit a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.state import KvKey
from flows.block_store import BlockKvStore
from tests.conformance.kv_suite import KvStoreSuite

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.control_plane import ControlPlane


def emptied(plane: ControlPlane, namespace: str) -> BlockKvStore:
    store = BlockKvStore(plane)
    for entry in store.list(namespace):
        store.delete(entry.key)
    return store


class TestBlockKvStore(KvStoreSuite):
    increments = 3

    @pytest.fixture
    def store(self, plane: ControlPlane) -> BlockKvStore:
        return emptied(plane, "suite")

    @pytest.fixture
    def reopen(self, plane: ControlPlane) -> Callable[[], BlockKvStore]:
        return lambda: BlockKvStore(plane)
