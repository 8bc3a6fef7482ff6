"""Sessions in a folder. An object is a file, written under a temporary name and renamed, so writes are atomic."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import uuid4

from contracts.errors import StageError, StagingRefusedError, StagingUnavailableError
from staging.provider import StoreStaging
from staging.session import Area
from staging.store import StoredObject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from staging.config import LocalStagingConfig

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_PASSING = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY),
    *(errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM),
}
_CREATE_TRIES = 50


class LocalStore:
    """An ObjectStore over a folder. It never creates the folder, because a missing one is often a missing mount."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        """Keys become paths below ``folder``; ``durable`` syncs every write to disk."""
        self._folder = folder
        self._durable = durable

    def put(self, key: str, content: bytes) -> None:
        """Write a temporary file, then rename it."""
        path = self._folder / key
        draft = path.with_name(f"{path.name}.tmp-{uuid4().hex[:12]}")
        with self._translated("write", key):
            try:
                self._write(draft, content)
                draft.replace(path)
            except BaseException:
                with suppress(OSError):
                    draft.unlink(missing_ok=True)
                self._prune(path.parent)
                raise
            if self._durable:
                _sync_folder(path.parent)

    def get(self, key: str) -> bytes | None:
        """The file's bytes, or None."""
        with self._translated("read", key):
            try:
                return (self._folder / key).read_bytes()
            except FileNotFoundError:
                self._require_folder()
                return None

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Files below the prefix; a file that is deleted meanwhile is left out."""
        with self._translated("list", prefix):
            self._require_folder()
            for folder, _, names in os.walk(self._folder / prefix, onerror=_raise_unless_gone):
                for name in names:
                    with suppress(FileNotFoundError):
                        yield self._describe(Path(folder, name))

    def delete(self, keys: Sequence[str]) -> None:
        """Delete the files, and the folders that become empty."""
        for key in keys:
            with self._translated("delete", key):
                (self._folder / key).unlink(missing_ok=True)
        for folder in {(self._folder / key).parent for key in keys}:
            self._prune(folder)

    def _write(self, draft: Path, content: bytes) -> None:
        with self._create(draft) as file:
            file.write(content)
            if self._durable:
                file.flush()
                os.fsync(file.fileno())

    def _create(self, draft: Path) -> BinaryIO:
        for _ in range(_CREATE_TRIES):
            try:
                return draft.open("xb")
            except FileNotFoundError:
                # A concurrent delete may prune the folder between these calls, and its parents during mkdir.
                self._require_folder()
                # FileExistsError: the folder existed when mkdir ran, but was gone when mkdir checked its type.
                with suppress(FileNotFoundError, FileExistsError):
                    draft.parent.mkdir(parents=True, exist_ok=True)
        return draft.open("xb")

    def _describe(self, path: Path) -> StoredObject:
        stat = path.stat()
        modified_at = datetime.fromtimestamp(stat.st_mtime, tz=UTC)
        return StoredObject(path.relative_to(self._folder).as_posix(), stat.st_size, modified_at)

    def _prune(self, folder: Path) -> None:
        with suppress(OSError):
            while folder != self._folder:
                folder.rmdir()
                folder = folder.parent

    def _require_folder(self) -> None:
        if not self._folder.is_dir():
            raise StagingRefusedError(
                f"The staging folder {str(self._folder)!r} does not exist",
                "Create it, or mount the file system that contains it.",
                path=str(self._folder),
            )

    @contextmanager
    def _translated(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _translate(error, verb, self._folder, key) from error


class LocalStaging(StoreStaging):
    """The ``local`` provider."""

    def __init__(self, config: LocalStagingConfig) -> None:
        """Sessions below ``config.path``; the folder is not accessed before the first use."""
        folder = config.path.expanduser().resolve()
        store = LocalStore(folder, durable=config.durable)
        super().__init__(Area("local", str(folder), store), config.part_bytes)


def _translate(error: OSError, verb: str, folder: Path, key: str) -> StageError:
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    what = f"Could not {verb} {key!r} in the staging folder {str(folder)!r}: {reason}"
    name = errno.errorcode.get(error.errno or 0, "")
    if error.errno in _FULL:
        step = "Free space there (`nucleus staging clean` removes expired sessions) or choose another folder."
        return StagingUnavailableError(what, step, path=str(folder), errno=name)
    if error.errno in _PASSING:
        step = "Check the disk or mount, then run again."
        return StagingUnavailableError(what, step, path=str(folder), errno=name)
    if error.errno == errno.ENAMETOOLONG:
        return StagingRefusedError(what, "Use shorter endpoint and run ids.", path=str(folder), errno=name)
    step = "Allow this user to read and write the folder, or choose another one."
    return StagingRefusedError(what, step, path=str(folder), errno=name)


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
