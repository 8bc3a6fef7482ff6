"""Sessions in this process, with a size limit."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.errors import StageTooLargeError
from staging.config import MemoryStagingConfig
from staging.provider import StoreStaging
from staging.session import Area
from staging.store import StoredObject

if TYPE_CHECKING:
    from collections.abc import Sequence


class MemoryStore:
    """An ObjectStore for at most ``limit_bytes`` of content."""

    def __init__(self, limit_bytes: int) -> None:
        """An empty store."""
        self._limit_bytes = limit_bytes
        self._objects: dict[str, tuple[bytes, datetime]] = {}
        self._used_bytes = 0
        self._lock = threading.Lock()

    def put(self, key: str, content: bytes) -> None:
        """Store the content.

        Raises:
            StageTooLargeError: The limit would be exceeded; nothing was changed.
        """
        with self._lock:
            used = self._used_bytes - self._size(key) + len(content)
            if used > self._limit_bytes:
                raise self._too_large(used)
            self._objects[key] = (content, datetime.now(UTC))
            self._used_bytes = used

    def get(self, key: str) -> bytes | None:
        """The content, or None."""
        with self._lock:
            stored = self._objects.get(key)
        return None if stored is None else stored[0]

    def list(self, prefix: str) -> Sequence[StoredObject]:
        """Objects below the prefix."""
        with self._lock:
            items = [item for item in self._objects.items() if item[0].startswith(prefix)]
        return [StoredObject(key, len(content), modified_at) for key, (content, modified_at) in items]

    def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects and free their bytes."""
        with self._lock:
            for key in keys:
                self._used_bytes -= self._size(key)
                self._objects.pop(key, None)

    def _size(self, key: str) -> int:
        return len(self._objects[key][0]) if key in self._objects else 0

    def _too_large(self, used_bytes: int) -> StageTooLargeError:
        return StageTooLargeError(
            f"Staging in memory is limited to {self._limit_bytes} bytes and would hold {used_bytes}",
            "Raise limit_bytes, or stage to a folder (file:///path) or a bucket (s3://bucket/prefix).",
            limit_bytes=self._limit_bytes,
            used_bytes=used_bytes,
        )


class MemoryStaging(StoreStaging):
    """The ``memory`` provider: sessions exist as long as this object."""

    def __init__(self, config: MemoryStagingConfig | None = None) -> None:
        """A new empty area, even if another one has the same name."""
        chosen = config or MemoryStagingConfig()
        area = Area("memory", chosen.area, MemoryStore(chosen.limit_bytes))
        super().__init__(area, chosen.part_bytes)
