"""Objects that can be replaced under a condition, in a storage that can only create.

Each is a folder of numbered versions; the newest is the object, and its number the tag. A version is made by one writer
only, so that of several who replace the same one exactly one is told True.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import SinkLockedError

if TYPE_CHECKING:
    from connectors.lake.objects import Objects

_TRIES = 30
_KEPT = 2


class VersionedObjects:
    """Small objects, each replaced now and then; safe between threads and processes.

    Args:
        objects: Where the versions are.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and tag, or None."""
        for _ in range(_TRIES):
            numbers = self._numbers(key)
            if not numbers:
                return None
            held = self._objects.get(_version(key, numbers[-1]))
            if held is not None:  # else it was replaced, and removed, since it was listed
                return held[0], str(numbers[-1])
        raise SinkLockedError(f"Others keep replacing {key!r}", "Run again when fewer processes write.")

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Write the first version if there is none."""
        return not self._numbers(key) and self._made(key, content, 1)

    def put_if_match(self, key: str, content: bytes, tag: str) -> bool:
        """Write the version after this one, if it is still the newest."""
        return self._made(key, content, int(tag) + 1)

    def _made(self, key: str, content: bytes, number: int) -> bool:
        if not self._objects.put_if_absent(_version(key, number), content):
            return False
        numbers = self._numbers(key)
        if numbers[-1:] != [number]:  # it had been there, and is forgotten: the tag was an old one
            self._objects.delete([_version(key, number)])
            return False
        self._objects.delete([_version(key, each) for each in numbers[:-_KEPT]])
        return True

    def _numbers(self, key: str) -> list[int]:
        names = (entry.key.rpartition("/")[2] for entry in self._objects.list(f"{key}/"))
        return sorted(int(name) for name in names if name.isdigit())


def _version(key: str, number: int) -> str:
    return f"{key}/{number:012d}"
