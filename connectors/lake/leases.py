"""The lock of one (endpoint, unit, sink): a file's where the root is a folder, else a lease that is an object.

It is only politeness between runs, so that the second is told at once; what keeps an overtaken run from writing is
its epoch.
"""

from __future__ import annotations

import fcntl
import json
import random
import threading
import time
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING
from uuid import uuid4

from connectors.lake.local import translate_local
from connectors.lake.runs import ref_key
from contracts.errors import IngestionError, RunInProgressError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connectors.lake.objects import ReplaceableObjects
    from contracts.receipts import RunRef

LEASE_S = 60.0


class FileLocks:
    """Exclusive locks on files of a folder; they end with the process. Those who ask hold a shared one for a moment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def exclusive(self, ref: RunRef) -> Iterator[None]:
        """Hold the lock.

        Raises:
            RunInProgressError: A run holds it.
        """
        with self._file(ref) as file:
            while not _try(file, fcntl.LOCK_EX):
                if not _try(file, fcntl.LOCK_SH):
                    raise in_progress(ref)
                fcntl.flock(file, fcntl.LOCK_UN)
                time.sleep(random.uniform(0, 0.002))  # noqa: S311 — two runs that begin at once do not keep in step
            yield

    def is_locked(self, ref: RunRef) -> bool:
        """Whether a run holds it."""
        with self._file(ref) as file:
            return not _try(file, fcntl.LOCK_SH)

    def _file(self, ref: RunRef) -> IO[str]:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            return (self._folder / ref_key(ref)).open("w")
        except OSError as error:
            raise translate_local(error, "open", "lock file") from error


class ObjectLeases:
    """Leases with an owner, a counter and an expiry, renewed by a thread; an expired one is taken over."""

    def __init__(self, objects: ReplaceableObjects, folder: str) -> None:
        self._objects, self._folder = objects, folder

    @contextmanager
    def exclusive(self, ref: RunRef) -> Iterator[None]:
        """Hold the lease.

        Raises:
            RunInProgressError: A run holds it.
        """
        key, holder = self._key(ref), uuid4().hex
        if not self._take(key, holder):
            raise in_progress(ref)
        over = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(key, holder, over), name="nucleus-lease", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()
            self._extend(key, holder, 0.0)

    def is_locked(self, ref: RunRef) -> bool:
        """Whether a run holds it."""
        held = self._objects.get(self._key(ref))
        return held is not None and json.loads(held[0])["until"] > time.time()

    def _take(self, key: str, holder: str) -> bool:
        held = self._objects.get(key)
        if held is None:
            return self._objects.put_if_absent(key, _lease(holder, 1, LEASE_S))
        said = json.loads(held[0])
        if said["until"] > time.time():
            return False
        return self._objects.put_if_match(key, _lease(holder, said["counter"] + 1, LEASE_S), held[1])

    def _renew(self, key: str, holder: str, over: threading.Event) -> None:
        while not over.wait(LEASE_S / 3):
            if not self._extend(key, holder, LEASE_S):
                return  # taken over: the epoch decides from here on

    def _extend(self, key: str, holder: str, lease_s: float) -> bool:
        """False once somebody else holds it; a storage that does not answer is asked again at the next turn."""
        try:
            held = self._objects.get(key)
            said = json.loads(held[0]) if held is not None else {}
            if held is None or said["holder"] != holder:
                return False
            return self._objects.put_if_match(key, _lease(holder, said["counter"] + 1, lease_s), held[1])
        except IngestionError:
            return True

    def _key(self, ref: RunRef) -> str:
        return f"{self._folder}/{ref_key(ref)}.json"


def in_progress(ref: RunRef) -> RunInProgressError:
    """What a second run is told."""
    return RunInProgressError(
        f"A run of {ref} is in progress", "Wait for it to end, or cancel it; then run again.", ref=str(ref)
    )


def _lease(holder: str, counter: int, lease_s: float) -> bytes:
    return json.dumps({"holder": holder, "counter": counter, "until": time.time() + lease_s}).encode()


def _try(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
