"""The seal: ``_SUCCESS``, written last, carries the manifest's sha256, which carries those of the parts."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from pydantic import ValidationError

from contracts.errors import StageCorruptError, StageUnsealedError
from contracts.model import Contract
from contracts.staging import StagingManifest
from staging import layout

if TYPE_CHECKING:
    from staging.store import ObjectStore

_RETRY = "Run again: the slice is exported anew."


class Seal(Contract):
    """Content of ``_SUCCESS``."""

    manifest_sha256: str
    rows: int
    """Repeated here so that a listing reads one small object per session."""
    bytes: int


def write_seal(store: ObjectStore, session: str, manifest: StagingManifest) -> Seal:
    """Store the manifest, then ``_SUCCESS``; the session is sealed when this returns."""
    content = manifest.model_dump_json().encode()
    seal = Seal(manifest_sha256=hashlib.sha256(content).hexdigest(), rows=manifest.rows, bytes=manifest.bytes)
    store.put(layout.manifest_key(session), content)
    store.put(layout.success_key(session), seal.model_dump_json().encode())
    return seal


def read_seal(store: ObjectStore, session: str) -> Seal | None:
    """The session's ``_SUCCESS``, or None when it is missing or makes no sense."""
    content = store.get(layout.success_key(session))
    try:
        return None if content is None else Seal.model_validate_json(content)
    except ValidationError:
        return None


def read_manifest(store: ObjectStore, session: str, expected_sha256: str) -> StagingManifest:
    """The manifest of a sealed session.

    Raises:
        StageUnsealedError: There is no ``_SUCCESS``, or it does not fit the manifest.
        StageCorruptError: The seal is whole but not the one the handle was made for.
    """
    seal = read_seal(store, session)
    content = store.get(layout.manifest_key(session)) if seal else None
    if seal is None or content is None:
        raise StageUnsealedError(f"Staging session {session!r} has no seal", _RETRY, key=session)
    if hashlib.sha256(content).hexdigest() != seal.manifest_sha256:
        raise StageUnsealedError(f"Manifest and seal of {session!r} do not fit each other", _RETRY, key=session)
    if seal.manifest_sha256 != expected_sha256:
        raise _corrupt(session, "it is not the one the handle was made for")
    return _parse(content, session)


def _parse(content: bytes, session: str) -> StagingManifest:
    try:
        manifest = StagingManifest.model_validate_json(content)
    except ValidationError as error:
        raise _corrupt(session, "its manifest is malformed") from error
    if any(layout.session_of(part.key) != session for part in manifest.parts):
        raise _corrupt(session, "its manifest names parts elsewhere")
    return manifest


def _corrupt(session: str, why: str) -> StageCorruptError:
    return StageCorruptError(f"Staging session {session!r} cannot be read: {why}", _RETRY, key=session)
