"""A bucket of Parquet files that fails, is slow, breaks off or is silent in the middle of a run.

What passes is tried again; what lasts ends the run with a typed error, and once the bucket is well the next run goes on
and both sides are equal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl
import pytest

from connectors.lake import leases
from connectors.object_parquet.config import ParquetConfig
from connectors.object_parquet.latest import latest, live_table
from connectors.object_parquet.sink import ParquetSink
from contracts.errors import SinkNotProvisionedError
from sandbox.faults import FaultyProxy
from tests.exactness.executors import PROVE
from tests.exactness.lake.folders import FolderPair
from tests.exactness.lake.warehouses import SOURCE_ROWS, new_lake_pair
from tests.exactness.moving import FEW, TABLE, Mover
from tests.exactness.surviving import AtUpserted, Once, survives

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from connectors.object_parquet.latest import LiveTable
    from sandbox.postgres import SandboxPostgres
    from sandbox.s3 import SandboxS3

_FOLDER = TABLE.replace(".", "/")
_ROW = pl.format(
    "{}|{}|{}", pl.col("id"), pl.col("note").fill_null("~"), pl.col("changed_at").dt.epoch("us")
)  # as SOURCE_ROWS writes one


@dataclass
class BucketPair(FolderPair):
    """A database and a bucket; runs reach the bucket through a proxy, those who look do not."""

    s3: ClassVar[SandboxS3]
    proxy: ClassVar[FaultyProxy]
    bucket: ClassVar[str]
    settings: ClassVar[dict[str, Any]]

    def __post_init__(self) -> None:
        self.looking = self._opened(self.s3.endpoint_url)

    def open_sink(self) -> ParquetSink:  # type: ignore[override]
        """The production sink behind the proxy, with two tries per request."""
        return self._opened(self.proxy.url, max_attempts=2, **self.settings)

    def both(self) -> tuple[list[str], list[str]]:
        """All rows of the table as sorted text: source, sink."""
        found: list[str] = []
        if self._table() is not None:
            found = latest(self.looking.place.objects, _FOLDER).select(_ROW).to_series().to_list()
        return sorted(self.write(SOURCE_ROWS).splitlines()), sorted(found)

    def strays(self) -> set[str]:
        """Files of rows that no manifest names, after a compaction."""
        self.looking.compact(self.ref)
        table = self._table()
        there = {entry.key for entry in self.looking.place.objects.list(f"{_FOLDER}/data/")}
        return there - set(table.keys if table is not None else ())

    def _opened(self, endpoint_url: str, **settings: Any) -> ParquetSink:
        fields = {
            "root": f"s3://{self.bucket}/lake",
            "endpoint_url": endpoint_url,
            "access_key_id": self.s3.access_key_id,
            "secret_access_key": self.s3.secret_access_key,
            "orphan_grace_s": 0,
            **settings,
        }
        return ParquetSink(ParquetConfig.model_validate(fields))

    def _table(self) -> LiveTable | None:
        try:
            return live_table(self.looking.place.objects, _FOLDER)
        except SinkNotProvisionedError:
            return None


FAULTS: dict[str, tuple[Callable[[FaultyProxy], None], str]] = {
    "one 503": (lambda proxy: proxy.fail_next(1, 503), ""),
    "one 500": (lambda proxy: proxy.fail_next(1, 500), ""),
    "a few 503 on PUT": (lambda proxy: proxy.fail_next(3, 503, "PUT"), ""),
    "a few 500 on GET": (lambda proxy: proxy.fail_next(3, 500, "GET"), ""),
    "an answer that breaks off": (lambda proxy: proxy.cut_after(500, 2), ""),
    "slow": (lambda proxy: proxy.delay(0.1), ""),
    "503 for good": (lambda proxy: proxy.fail_next(10_000, 503), "E_SINK_UNREACHABLE"),
    "500 on PUT for good": (lambda proxy: proxy.fail_next(10_000, 500, "PUT"), "E_SINK_UNREACHABLE"),
    "slower than the patience": (lambda proxy: proxy.delay(1.5), "E_SINK_UNREACHABLE"),
    "no answer at all": (lambda proxy: proxy.drop_everything(), "E_SINK_UNREACHABLE"),
}
SHORT = ("a few 503 on PUT", "an answer that breaks off", "slower than the patience")


@pytest.fixture
def proxy(s3: SandboxS3) -> Iterator[FaultyProxy]:
    """What stands before the bucket."""
    with FaultyProxy(s3.endpoint_url) as running:
        yield running


@pytest.mark.slow(8)
@pytest.mark.parametrize("fault", FAULTS if PROVE else SHORT)
def test_a_bucket_misbehaves(
    postgres: SandboxPostgres,
    s3: SandboxS3,
    proxy: FaultyProxy,
    bucket: str,
    fault: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "LEASE_S", 2.0)  # a run that cannot give its lease back leaves it for so long
    inject, expected = FAULTS[fault]
    # Little patience only where it is meant to end: a busy machine must not look like a slow bucket.
    settings = {"timeout_s": 0.5} if fault == "slower than the patience" else {"timeout_s": 10.0}
    kind: type[BucketPair] = type(
        "_", (BucketPair,), {"s3": s3, "proxy": proxy, "bucket": bucket, "settings": settings}
    )
    pair = new_lake_pair(kind, postgres, tmp_path, rows=FEW)

    def heal() -> None:
        proxy.heal()
        deadline = time.monotonic() + 60
        while pair.is_locked():
            assert time.monotonic() < deadline, "the lease runs out"
            time.sleep(0.1)

    try:
        mover = Mover(pair)
        code = survives(mover, AtUpserted(Once(lambda: inject(proxy), 2)), f"bucket: {fault}", healed=heal)
        assert code == expected
        assert pair.strays() == set()
    finally:
        proxy.heal()
        pair.drop()
