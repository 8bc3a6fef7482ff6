"""The folder, bucket or HDFS of a sink: its objects, what it remembers of runs, and its locks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from connectors.lake.leases import FileLocks, ObjectLeases
from connectors.lake.local import LocalObjects
from connectors.lake.runs import FrozenRuns
from connectors.lake.versions import VersionedObjects
from contracts.lineage import DatasetName

if TYPE_CHECKING:
    from connectors.lake.hdfs import HdfsObjects
    from connectors.lake.objects import Objects
    from connectors.lake.s3 import S3Objects
    from connectors.object_parquet.config import ParquetConfig

_OURS = "_nucleus"
_LEASES = f"{_OURS}/leases"
_RUNS = f"{_OURS}/runs"


class ParquetPlace:
    """Everything below one root; what belongs to no table is below ``_nucleus``."""

    objects: Objects
    runs: FrozenRuns
    locks: FileLocks | ObjectLeases

    def __init__(self, config: ParquetConfig) -> None:
        self._bucket = _bucket_of(config)
        if self._bucket is not None:
            self.objects = self._bucket
            self.runs, self.locks = FrozenRuns(self._bucket, _RUNS), ObjectLeases(self._bucket, _LEASES)
        elif config.name_node is not None:
            self.objects = _hdfs_of(config, *config.name_node)
            replaced = VersionedObjects(self.objects)
            self.runs, self.locks = FrozenRuns(replaced, _RUNS), ObjectLeases(replaced, _LEASES)
        else:
            folder = Path(config.folder).expanduser().absolute()
            self.objects = local = LocalObjects(folder)
            self.runs, self.locks = FrozenRuns(local, _RUNS), FileLocks(folder / _OURS / "locks")

    def dataset_name(self, folder: str) -> DatasetName:
        """A table's folder, as other programs name it; nothing is asked."""
        root, _, path = self.objects.uri(folder).rpartition("://")
        if not root:
            return DatasetName(namespace="file", name=path)
        host, _, within = path.partition("/")
        if root == "s3":
            return DatasetName(namespace=f"s3://{host}", name=within)
        return DatasetName(namespace=f"hdfs://{host}", name=f"/{within}")

    def check(self) -> None:
        """Write and delete a small object.

        Raises:
            ConfigInvalidError: The service ignores conditions of writes.
            UpsertError: A subclass for each cause: unreachable, authentication, privileges.
        """
        if self._bucket is not None:
            self._bucket.require_conditional_writes(_OURS)
            return
        key = f"{_OURS}/probe-{uuid4().hex}"
        self.objects.put_if_absent(key, b"")
        self.objects.delete([key])


def _bucket_of(config: ParquetConfig) -> S3Objects | None:
    if config.bucket is None:
        return None
    from connectors.lake.s3 import S3Objects, client_of  # noqa: PLC0415 — boto3, for buckets only

    client = client_of(
        config.endpoint_url,
        config.region,
        config.keys,
        timeout_s=config.timeout_s,
        max_attempts=config.max_attempts,
    )
    return S3Objects(client, *config.bucket)


def _hdfs_of(config: ParquetConfig, url: str, path: str) -> HdfsObjects:
    from connectors.lake.hdfs import HdfsObjects  # noqa: PLC0415 — httpx, for HDFS only

    return HdfsObjects(url, path, config.hdfs_login, timeout_s=config.timeout_s, tries=config.max_attempts)
