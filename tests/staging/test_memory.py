from __future__ import annotations

import polars as pl
import pytest

from contracts.errors import StageTooLargeError, StagingRefusedError
from staging.config import MIB, MemoryStagingConfig
from staging.memory import MemoryStaging
from tests.conformance.staging_suite import NUMBERS, StagingSuite, context, read, stage


class TestMemoryStaging(StagingSuite):
    @pytest.fixture
    def make_provider(self):
        return lambda part_bytes=16 * MIB: MemoryStaging(MemoryStagingConfig(part_bytes=part_bytes))


def test_the_limit_covers_all_sessions_and_leaves_nothing_half_written():
    provider = MemoryStaging(MemoryStagingConfig(limit_bytes=40_000, part_bytes=4_096))
    kept = stage(provider, NUMBERS, where=context("kept"))
    session = provider.allocate_session(context("too-large"))
    writer = session.writer()
    noise = pl.DataFrame({"n": pl.int_range(100_000, eager=True).shuffle(seed=1)})
    with pytest.raises(StageTooLargeError, match="limited to 40000 bytes") as caught:
        writer.write_batch(noise)
    assert caught.value.facts["limit_bytes"] == 40_000
    assert not caught.value.retryable
    for again in (lambda: writer.write_batch(NUMBERS), session.seal):
        with pytest.raises(StagingRefusedError, match="partway"):
            again()
    session.close()
    assert [one.run_id for one in provider.sessions()] == ["kept"]
    assert read(provider, kept)


def test_deleting_frees_the_bytes():
    provider = MemoryStaging(MemoryStagingConfig(limit_bytes=40_000))
    for number in range(50):
        handle = stage(provider, NUMBERS, where=context(attempt=str(number)))
        provider.delete(handle.key)


def test_overwriting_counts_once():
    provider = MemoryStaging(MemoryStagingConfig(limit_bytes=100))
    for _ in range(9):
        provider.store.put("key", b"x" * 90)
    with pytest.raises(StageTooLargeError):
        provider.store.put("other", b"x" * 11)
    assert provider.store.get("other") is None


def test_two_areas_of_one_name_share_nothing():
    handle = stage(MemoryStaging(), NUMBERS)
    assert list(MemoryStaging().sessions()) == []
    assert handle.bucket == "default"
