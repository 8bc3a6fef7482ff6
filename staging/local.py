"""Sessions in a folder. An object is a file, written aside and renamed: it is there whole or not at all."""

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
    """An ObjectStore over a folder, which it never creates itself: a missing one is often a missing mount."""

    def __init__(self, folder: Path, *, durable: bool) -> None:
        """Keys become paths below ``folder``; ``durable`` waits for the disk."""
        self._folder = folder
        self._durable = durable

    def put(self, key: str, content: bytes) -> None:
        """Write the file aside, then rename it."""
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
        """Files below the prefix; one that vanishes meanwhile is left out."""
        with self._translated("list", prefix):
            self._require_folder()
            for folder, _, names in os.walk(self._folder / prefix, onerror=_raise_unless_gone):
                for name in names:
                    with suppress(FileNotFoundError):
                        yield self._describe(Path(folder, name))

    def delete(self, keys: Sequence[str]) -> None:
        """Unlink the files, and the folders that are empty after it."""
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
                # Whoever deletes a session may prune the folder between these calls, and its parents within the second.
                self._require_folder()
                # FileExistsError: it was there when it was to be made, and gone when Python looked what was there.
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
                "Create it, or mount what should be there.",
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
        """Sessions below ``config.path``; it is looked at only when used."""
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
    step = "Give this user the right to read and write the folder, or choose another one."
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
