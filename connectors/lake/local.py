"""Objects in a folder. What is written is synced before it is visible, so a crash leaves all of it or nothing."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from connectors.lake.objects import DRAFT, ListedObject
from contracts.errors import SinkPrivilegeError, SinkUnreachableError, SinkWriteFailedError, UpsertError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class LocalObjects:
    """Objects of a folder, which is made when first written to.

    Args:
        folder: The root.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and tag, of one and the same file."""
        with _translated("read", key):
            try:
                with (self.folder / key).open("rb") as file:
                    return file.read(), _tag(os.fstat(file.fileno()))
            except FileNotFoundError:
                return None

    def put(self, key: str, content: bytes) -> None:
        """Write a temporary file and rename it."""
        with _translated("write", key), self._draft(key, content) as draft:
            draft.replace(self.folder / key)

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Write a temporary file and link it: the link is made by exactly one of several."""
        with _translated("write", key), self._draft(key, content) as draft:
            try:
                os.link(draft, self.folder / key)
            except FileExistsError:
                return False
            return True

    def put_if_match(self, key: str, content: bytes, tag: str) -> bool:
        """Rename over the old file, under a lock that every replacement takes."""
        with _translated("write", key), self._locked(), self._draft(key, content) as draft:
            try:
                if _tag((self.folder / key).stat()) != tag:
                    return False
            except FileNotFoundError:
                return False
            draft.replace(self.folder / key)
            return True

    def delete(self, keys: Sequence[str]) -> None:
        """Unlink each."""
        for key in keys:
            with _translated("delete", key):
                (self.folder / key).unlink(missing_ok=True)

    def list(self, prefix: str, after: str = "") -> Iterator[ListedObject]:
        """Walk the folder below the prefix."""
        with _translated("list", prefix):
            found = sorted(self._below(self.folder / prefix, after))
        yield from found

    def uri(self, key: str) -> str:
        """The absolute path."""
        return str(self.folder / key)

    def close(self) -> None:
        """Nothing is open."""

    def _below(self, folder: Path, after: str) -> Iterator[ListedObject]:
        for place, _, names in os.walk(folder):
            for name in names:
                path = Path(place) / name
                key = path.relative_to(self.folder).as_posix()
                if key <= after:
                    continue
                with suppress(FileNotFoundError):
                    held = path.stat()
                    yield ListedObject(key, held.st_size, held.st_mtime, _tag(held))

    @contextmanager
    def _draft(self, key: str, content: bytes) -> Iterator[Path]:
        """A synced temporary file beside the key; what was made of it is synced too."""
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{uuid4().hex}{DRAFT}")
        try:
            with draft.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            yield draft
            _sync(path.parent)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        place = self.folder / "_nucleus"
        place.mkdir(parents=True, exist_ok=True)
        with (place / ".replace.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _tag(held: os.stat_result) -> str:
    return f"{held.st_ino:x}-{held.st_mtime_ns:x}-{held.st_size:x}"


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _translated(verb: str, key: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise translate_local(error, verb, key) from error


def translate_local(error: OSError, verb: str, key: str) -> UpsertError:
    """The typed error for what the file system raised."""
    what = f"Could not {verb} {key!r}: {error.strerror or type(error).__name__}"
    if error.errno in _DENIED:
        return SinkPrivilegeError(what, "Grant the right to write there.")
    if error.errno in _FULL:
        return SinkWriteFailedError(what, "Make room, then run again.")
    return SinkUnreachableError(what, "Run again; the receipts tell what was committed.")
