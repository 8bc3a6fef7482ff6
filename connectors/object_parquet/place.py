"""The folder or bucket of a sink: its objects, what it remembers of runs, and its locks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from connectors.lake.leases import FileLocks, ObjectLeases
from connectors.lake.local import LocalObjects
from connectors.lake.runs import FrozenRuns

if TYPE_CHECKING:
    from connectors.lake.objects import Objects
    from connectors.lake.s3 import S3Objects
    from connectors.object_parquet.config import ParquetConfig

_OURS = "_nucleus"


class ParquetPlace:
    """Everything below one root; what belongs to no table is below ``_nucleus``."""

    def __init__(self, config: ParquetConfig) -> None:
        self._bucket = _bucket_of(config)
        folder = Path(config.folder).expanduser().absolute()
        self.objects: Objects = self._bucket or LocalObjects(folder)
        self.runs = FrozenRuns(self.objects, f"{_OURS}/runs")
        self.locks: FileLocks | ObjectLeases = (
            ObjectLeases(self.objects, f"{_OURS}/leases") if self._bucket else FileLocks(folder / _OURS / "locks")
        )

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
