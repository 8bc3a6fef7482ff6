"""State as Prefect blocks: a checkpoint is a form an operator reads and edits, other state a JSON text.

A document's name is made from the key, so that it is found with one call, and the whole key is inside.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from contracts.errors import ConfigInvalidError, ControlPlaneError, StateUnavailableError
from contracts.state import Checkpoint, KvEntry, KvKey
from flows.blocks import types as blocks
from flows.prefect_api.block_documents import BlockDocuments
from flows.prefect_api.client import AlreadyThereError
from state.entries import conflict, decode, encode, read_as
from state.keys import CHECKPOINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contracts.model import Json
    from flows.prefect_api.block_documents import Document
    from flows.prefect_api.client import ControlPlane

_KINDS = {kind.get_block_type_slug(): kind for kind in (blocks.CheckpointBlock, blocks.StateEntryBlock)}
_CHECKPOINT = blocks.CheckpointBlock.get_block_type_slug()
_OTHER = blocks.StateEntryBlock.get_block_type_slug()
_READABLE = 60
LOOK_COUNTS_FOR_S = 600.0
_MOST_LOOKS = 10_000


class _Look(NamedTuple):
    """What stands under a key."""

    at: float
    document_id: str | None
    version: int


class BlockKvStore:
    """A ``KvStore`` over block documents; safe between threads.

    Blocks have no compare-and-set: a version is looked at and then written, and a racing writer can come between.
    So a key has one writer, the run that holds the epoch. Creating (``expected_version`` 0) is atomic. A write over any
    version takes an earlier look for its own: saving what was read is one call and not two. The version it writes can
    then be one that another writer gave before, which nobody notices who does not compare versions of that key.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._documents = BlockDocuments(plane)
        self._looks: dict[KvKey, _Look] = {}

    @property
    def compare_and_set(self) -> bool:
        """False: see the class."""
        return False

    def get(self, key: KvKey) -> KvEntry | None:
        """The entry, or None.

        Raises:
            StateUnavailableError: The server did not answer.
            ConfigInvalidError: Somebody edited the block so that it cannot be read.
        """
        document = self._find(key)
        entry = None if document is None else _entry(key, document.data)
        self._remember(key, document.id if document else None, entry.version if entry else 0)
        return entry

    def put(self, key: KvKey, value: Json, expected_version: int | None = None) -> KvEntry:
        """Write the value; ``expected_version`` 0 means it must not exist, None means whatever is there.

        Raises:
            CheckpointConflictError: The version there is another one.
            StateUnavailableError: The server did not answer; whether the value was written is not known.
            ConfigInvalidError: The value under a checkpoint's key is no checkpoint.
        """
        look = self._recent_look(key) if expected_version is None else None
        while True:
            look = look or self._look_at(key)
            if expected_version is not None and expected_version != look.version:
                raise conflict(key, expected_version, look.version)
            data = _data(key, value, look.version + 1)
            if self._write(key, look.document_id, data):
                return _entry(key, data)
            look = None

    def delete(self, key: KvKey) -> bool:
        """Remove the entry; False when there was none."""
        self._looks.pop(key, None)
        with _as_state(key):
            document = self._documents.get(_slug(key), document_name(key))
            if document is not None:
                self._documents.delete(document.id)
        return document is not None

    def list(self, namespace: str, scope_id: str | None = None) -> tuple[KvEntry, ...]:
        """Every entry of the namespace (and scope), ordered by scope and key."""
        like = _readable(namespace) + "--"
        with _as_state(KvKey(namespace=namespace, scope_id=scope_id or "", key="")):
            documents = [*self._documents.find([_CHECKPOINT, _OTHER], like=like, secrets=True)]
        entries = [_entry(_key(document), document.data) for document in documents]
        for document, entry in zip(documents, entries, strict=True):
            self._remember(entry.key, document.id, entry.version)
        chosen = [e for e in entries if e.key.namespace == namespace and scope_id in {None, e.key.scope_id}]
        return tuple(sorted(chosen, key=lambda entry: (entry.key.scope_id, entry.key.key)))

    def _find(self, key: KvKey) -> Document | None:
        with _as_state(key):
            return self._documents.get(_slug(key), document_name(key))

    def _look_at(self, key: KvKey) -> _Look:
        document = self._find(key)
        return self._remember(key, document.id if document else None, _version(key, document.data) if document else 0)

    def _recent_look(self, key: KvKey) -> _Look | None:
        look = self._looks.pop(key, None)  # a write that fails leaves nothing to rely on
        return None if look is None or time.monotonic() - look.at > LOOK_COUNTS_FOR_S else look

    def _remember(self, key: KvKey, document_id: str | None, version: int) -> _Look:
        if len(self._looks) > _MOST_LOOKS:
            self._looks.clear()
        look = self._looks[key] = _Look(time.monotonic(), document_id, version)
        return look

    def _write(self, key: KvKey, document_id: str | None, data: dict[str, Any]) -> bool:
        """False when somebody created or deleted the document meanwhile."""
        kind = _KINDS[_slug(key)]
        with _as_state(key):
            try:
                if document_id is None:
                    document_id = self._documents.create(kind, document_name(key), data).id
                elif not self._documents.replace(kind, document_id, data):
                    return False
            except AlreadyThereError:
                return False
        self._remember(key, document_id, int(data["version"]))
        return True


def document_name(key: KvKey) -> str:
    """The block's name: readable words of the key, then a digest of all of it."""
    whole = json.dumps([key.namespace, key.scope_id, key.key])
    digest = hashlib.sha256(whole.encode()).hexdigest()[:16]
    words = _readable(f"{key.scope_id} {key.key}")[:_READABLE].strip("-")
    return f"{_readable(key.namespace)}--{words}--{digest}"


def _readable(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "none"


def _slug(key: KvKey) -> str:
    is_checkpoint = key.namespace == CHECKPOINTS and not key.key.endswith("::transient")
    return _CHECKPOINT if is_checkpoint else _OTHER


def _data(key: KvKey, value: Json, version: int) -> dict[str, Any]:
    """What the document holds."""
    about = {"key": key.key, "version": version, "saved_at": datetime.now(UTC).isoformat(timespec="microseconds")}
    if _slug(key) == _CHECKPOINT:
        return {**read_as(Checkpoint, value, key).model_dump(mode="json"), **about}
    return {"namespace": key.namespace, "scope_id": key.scope_id, "value": encode(value), **about}


def _entry(key: KvKey, data: dict[str, Any]) -> KvEntry:
    if _slug(key) == _CHECKPOINT:
        value = {name: data[name] for name in Checkpoint.model_fields if name in data}
    else:
        value = decode(str(data.get("value")), key)
    return KvEntry(key=key, value=value, version=_version(key, data), updated_at=_saved_at(key, data))


def _key(document: Document) -> KvKey:
    data = document.data
    if document.slug == _CHECKPOINT:
        return KvKey(namespace=CHECKPOINTS, scope_id=str(data.get("endpoint_id")), key=str(data.get("key")))
    return KvKey(namespace=str(data.get("namespace")), scope_id=str(data.get("scope_id")), key=str(data.get("key")))


def _version(key: KvKey, data: dict[str, Any]) -> int:
    with _as_edited(key):
        return int(data["version"])


def _saved_at(key: KvKey, data: dict[str, Any]) -> datetime:
    with _as_edited(key):
        return datetime.fromisoformat(data["saved_at"])


@contextmanager
def _as_edited(key: KvKey) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigInvalidError(
            f"The block {document_name(key)!r} was edited so that it cannot be read ({error})",
            "Correct it in the Prefect UI, or delete it.",
            block=document_name(key),
        ) from None


@contextmanager
def _as_state(key: KvKey) -> Iterator[None]:
    try:
        yield
    except ControlPlaneError as error:
        raise StateUnavailableError(
            error.what, error.next_step, namespace=key.namespace, scope_id=key.scope_id, key=key.key
        ) from error
