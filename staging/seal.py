"""The seal ``_SUCCESS``: written last, with the sha256 of the manifest, which has the sha256 of every part."""

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

_RETRY = "Run again: the slice is exported again."


class Seal(Contract):
    """Content of ``_SUCCESS``."""

    manifest_sha256: str
    rows: int
    """Copied from the manifest, so that a listing reads only one small object per session."""
    bytes: int


def write_seal(store: ObjectStore, session: str, manifest: StagingManifest) -> Seal:
    """Store the manifest, then ``_SUCCESS``. The session is sealed when this returns."""
    content = manifest.model_dump_json().encode()
    seal = Seal(manifest_sha256=hashlib.sha256(content).hexdigest(), rows=manifest.rows, bytes=manifest.bytes)
    store.put(layout.manifest_key(session), content)
    store.put(layout.success_key(session), seal.model_dump_json().encode())
    return seal


def read_seal(store: ObjectStore, session: str) -> Seal | None:
    """The session's ``_SUCCESS``, or None if it is missing or malformed."""
    content = store.get(layout.success_key(session))
    try:
        return None if content is None else Seal.model_validate_json(content)
    except ValidationError:
        return None


def read_manifest(store: ObjectStore, session: str, expected_sha256: str) -> StagingManifest:
    """The manifest of a sealed session.

    Raises:
        StageUnsealedError: ``_SUCCESS`` is missing or does not match the manifest.
        StageCorruptError: The seal is valid, but the handle was created for a different one.
    """
    seal = read_seal(store, session)
    content = store.get(layout.manifest_key(session)) if seal else None
    if seal is None or content is None:
        raise StageUnsealedError(f"Staging session {session!r} has no seal", _RETRY, key=session)
    if hashlib.sha256(content).hexdigest() != seal.manifest_sha256:
        raise StageUnsealedError(f"Manifest and seal of {session!r} do not match", _RETRY, key=session)
    if seal.manifest_sha256 != expected_sha256:
        raise _corrupt(session, "its handle was created for a different session")
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
