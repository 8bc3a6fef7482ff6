"""Small objects and files by key, in a folder or below a prefix of a bucket, with conditional writes.

A conditional write is the only thing by which a sink of files is exact: of several writers of one key exactly one is
told True. A write whose answer was lost is looked up before anybody is told anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


DRAFT = ".tmp"
"""How names of files end that are not complete yet."""


class ListedObject(NamedTuple):
    """One object of a listing.

    Attributes:
        key: Relative to the root.
        size_bytes: Of its content.
        modified_s: Unix time of its last write.
        tag: Changes whenever the object is replaced.
    """

    key: str
    size_bytes: int
    modified_s: float
    tag: str


class Objects(Protocol):
    """Objects below one root; safe between threads. Every method raises the typed ``UpsertError`` of its cause."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and tag, or None."""
        ...

    def put(self, key: str, content: bytes) -> None:
        """Write, whatever is there. For keys that nobody else writes, or where the last one may win."""
        ...

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Write if nothing is there. The content must be different from what any other writer would write."""
        ...

    def delete(self, keys: Sequence[str]) -> None:
        """Delete; what is missing is fine."""
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[ListedObject]:
        """Objects whose key begins with ``prefix`` (which ends with ``/``) and sorts after ``after``, in that order."""
        ...

    def uri(self, key: str) -> str:
        """How other programs name the object: an absolute path, ``s3://bucket/key`` or ``webhdfs://host:port/path``."""
        ...

    def close(self) -> None:
        """Release connections; the next call opens them again."""
        ...


class ReplaceableObjects(Protocol):
    """Small objects that are replaced under a condition; safe between threads. Errors as above."""

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and tag, or None."""
        ...

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Write if nothing is there. The content must be different from what any other writer would write."""
        ...

    def put_if_match(self, key: str, content: bytes, tag: str) -> bool:
        """Replace what has this tag. The content must be different from what any other writer would write."""
        ...
