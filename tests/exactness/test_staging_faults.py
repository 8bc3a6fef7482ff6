"""Proof of "Done when" 5 for staging: S3 that fails, is slow, breaks off or has no bucket; a folder that is full.

Little of it is retried on the spot, more of it ends the run with a typed error; nothing half-written is ever read,
and once staging is well again the next run goes on and both sides are equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from contracts.errors import IngestionError, StageTooLargeError
from sandbox.faults import FaultyProxy
from staging.config import LocalStagingConfig, MemoryStagingConfig, S3StagingConfig
from staging.local import LocalStaging
from staging.memory import MemoryStaging
from staging.s3 import S3Staging
from tests.exactness.chain import Chain
from tests.exactness.executors import PROVE, each_on, short_on_threads
from tests.exactness.moving import FEW, Mover, Pair, assert_equal, drop_pair, new_pair
from tests.exactness.surviving import AtUpserted, Once, survives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sandbox.postgres import SandboxPostgres
    from sandbox.s3 import SandboxS3
    from tests.exactness.executors import ExecutorName


@pytest.fixture
def pair(postgres: SandboxPostgres, executor: ExecutorName) -> Iterator[Pair]:
    """Two databases."""
    made = new_pair(postgres, rows=FEW, executor=executor)
    if executor == "prefect":
        made.register()
    yield made
    drop_pair(made)


@pytest.fixture
def proxy(s3: SandboxS3) -> Iterator[FaultyProxy]:
    """What stands before the S3 server."""
    with FaultyProxy(s3.endpoint_url) as running:
        yield running


def in_s3(s3: SandboxS3, proxy: FaultyProxy, bucket: str, **changes: Any) -> S3Staging:
    """Staging behind the proxy; two tries per request."""
    fields = {
        "bucket": bucket,
        "endpoint_url": proxy.url,
        "access_key_id": s3.access_key_id,
        "secret_access_key": s3.secret_access_key,
        "max_attempts": 2,
        "read_timeout_s": 5.0,
        "part_bytes": 32 * 1024,
        **changes,
    }
    return S3Staging(S3StagingConfig.model_validate(fields))


FAULTS: dict[str, tuple[Callable[[FaultyProxy], None], str]] = {
    "one 503": (lambda proxy: proxy.fail_next(1, 503), ""),
    "one 500": (lambda proxy: proxy.fail_next(1, 500), ""),
    "a few 503 on PUT": (lambda proxy: proxy.fail_next(3, 503, "PUT"), ""),
    "a few 500 on GET": (lambda proxy: proxy.fail_next(3, 500, "GET"), ""),
    "a part that breaks off": (lambda proxy: proxy.cut_after(2_000, 2), ""),
    "slow": (lambda proxy: proxy.delay(0.02), ""),
    "503 for good": (lambda proxy: proxy.fail_next(10_000, 503), "E_STAGING_UNAVAILABLE"),
    "500 on GET for good": (lambda proxy: proxy.fail_next(10_000, 500, "GET"), "E_STAGING_UNAVAILABLE"),
    "slower than the patience": (lambda proxy: proxy.delay(0.5), "E_STAGING_UNAVAILABLE"),
    "no answer at all": (lambda proxy: proxy.drop_everything(), "E_STAGING_UNAVAILABLE"),
}


FAULTS_ON_PREFECT = FAULTS if PROVE else ("a few 500 on GET", "a part that breaks off", "503 for good")
"""A response, a broken stream and an end that is typed; the retries are one table for both executors."""


@pytest.mark.parametrize(
    ("executor", "fault"), each_on(threads=FAULTS, prefect=FAULTS_ON_PREFECT), indirect=["executor"]
)
def test_s3_misbehaves(pair: Pair, s3: SandboxS3, proxy: FaultyProxy, bucket: str, fault: str) -> None:
    """In the middle of a run; passing faults are retried, lasting ones end it with a typed error."""
    inject, expected = FAULTS[fault]
    # Little patience only where it is meant to end: a busy machine must not look like a slow bucket.
    patience = {"read_timeout_s": 0.3} if fault == "slower than the patience" else {}
    mover = Mover(pair, staging=in_s3(s3, proxy, bucket, **patience))
    observer = AtUpserted(Once(lambda: inject(proxy), 2))
    code = survives(mover, observer, f"S3: {fault}", healed=proxy.heal)
    assert code == expected


@short_on_threads
def test_the_bucket_is_missing(pair: Pair, s3: SandboxS3, proxy: FaultyProxy) -> None:
    """Refused with what to do; with the bucket made, the same run goes on."""
    name = f"made-later-{pair.source.replace('_', '-')}"
    mover = Mover(pair, staging=in_s3(s3, proxy, name))
    assert _refusal(mover) == "E_STAGING_REFUSED"
    s3.create_bucket(name)
    mover.run()
    assert_equal(pair, "none")
    mover.close()


@short_on_threads
def test_the_folder_is_missing(pair: Pair, tmp_path: Path) -> None:
    """The same for a folder: often a mount that is not there."""
    mover = Mover(pair, staging=LocalStaging(LocalStagingConfig(path=tmp_path / "mount")))
    assert _refusal(mover) == "E_STAGING_REFUSED"
    (tmp_path / "mount").mkdir()
    mover.run()
    assert_equal(pair, "none")
    mover.close()


def test_the_disk_is_full(pair: Pair, tmp_path: Path) -> None:
    """A process that can write no file of more than 8 KiB; with space again the next one ends right."""
    chain = Chain(pair, "full", tmp_path, 0)
    assert chain.refused(file_bytes=8_192)["code"] == "E_STAGING_UNAVAILABLE"
    assert set(chain.sessions().values()) <= {"open"}
    chain.finish()


@short_on_threads
def test_the_memory_is_full(pair: Pair) -> None:
    """Memory staging that holds less than one slice: a typed error, nothing written; with more it ends right."""
    mover = Mover(pair, staging=MemoryStaging(MemoryStagingConfig(limit_bytes=4_096)))
    with pytest.raises(StageTooLargeError):
        mover.run()
    assert pair.receipts() == {}
    mover.staging = MemoryStaging()
    mover.run()
    assert_equal(pair, "none")
    mover.close()


def _refusal(mover: Mover) -> str:
    with pytest.raises(IngestionError) as caught:
        mover.run()
    assert caught.value.next_step
    assert mover.pair.receipts() == {}
    return caught.value.code
