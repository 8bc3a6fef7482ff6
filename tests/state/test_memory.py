import time

import pytest

from state.entries import conflict
from state.memory import MemoryKvStore
from tests.conformance.kv_suite import KvStoreSuite


class TestMemoryKvStore(KvStoreSuite):
    durable = False

    @pytest.fixture
    def store(self):
        return MemoryKvStore()

    @pytest.fixture
    def reopen(self):
        return MemoryKvStore


class LooksThenWrites(MemoryKvStore):
    """As a driver without compare-and-set does it: between the look and the write others may write."""

    compare_and_set = False

    def put(self, key, value, expected_version=None):
        held = self.get(key)
        found = 0 if held is None else held.version
        time.sleep(0.001)
        if expected_version not in {None, found}:
            raise conflict(key, expected_version, found)
        return super().put(key, value)


class TestStoreThatOnlyLooks(KvStoreSuite):
    durable = False

    @pytest.fixture
    def store(self):
        return LooksThenWrites()

    @pytest.fixture
    def reopen(self):
        return LooksThenWrites
