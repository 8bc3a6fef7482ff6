"""Payloads as rows. ``raw`` is the payload as received, without pre-authenticated addresses (they need no login)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from connectors.http.errors import unexpected_payload
from connectors.http.json_api import decoded
from connectors.http.rows import RowReader
from connectors.http.values import as_json
from connectors.onedrive.item_payload import ItemActor, ItemActors, ItemFile, RemoteItem, item_of
from connectors.onedrive.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

READERS = {unit.name: RowReader(unit) for unit in UNITS}
_NOBODY, _NO_FILE, _NO_REMOTE = ItemActor(), ItemFile(), RemoteItem()
_members, _encode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode, msgspec.json.encode
_ACTORS = ("user", "application", "device")
_OWNERS = ("user", "group", "application", "device")
_PRINCIPALS = ("user", "group", "application", "siteUser", "siteGroup")
_SECRET = "downloadurl"  # noqa: S105 - how names of pre-authenticated addresses end
_NEVER = "0001-01-01T00:00:00"
"""``DateTime.MinValue``: "there is no expiration set for this permission" (permission resource type)."""
Payload = dict[str, Any]


def frame_of(unit: str, rows: Sequence[Payload]) -> pl.DataFrame:
    """Rows of a unit as a frame of its schema.

    Raises:
        SourceValueError: A value has no faithful reading.
    """
    return READERS[unit].frame(rows)


def drive_row(payload: bytes) -> Payload:
    """A drive."""
    raw = _raw(payload)
    kind, owner = _identity(raw.get("owner"), _OWNERS)
    quota = raw.get("quota") or {}
    return {
        "id": raw["id"],
        "name": raw.get("name"),
        "drive_type": raw.get("driveType"),
        "description": raw.get("description"),
        "owner_id": owner.get("id"),
        "owner_name": owner.get("displayName"),
        "owner_type": kind,
        "created": raw.get("createdDateTime"),
        "last_modified": raw.get("lastModifiedDateTime"),
        "quota_total": quota.get("total"),
        "quota_used": quota.get("used"),
        "url": raw.get("webUrl"),
        "raw": raw,
    }


def item_row(drive_id: str, payload: bytes, path: str) -> Payload:
    """An item with its path; the payload is stripped."""
    item = item_of(payload)
    creator, modifier = _actor(item.createdBy), _actor(item.lastModifiedBy)
    file, remote = item.file or _NO_FILE, item.remoteItem or _NO_REMOTE
    return {
        "id": f"{drive_id}:{item.id}",
        "drive_id": drive_id,
        "item_id": item.id,
        "name": item.name,
        "kind": item.kind,
        "path": path,
        "parent_id": None if item.root is not None else item.parentReference and item.parentReference.id,
        "size": item.size,
        "mime_type": file.mimeType,
        "quick_xor_hash": file.hashes and file.hashes.quickXorHash,
        "created": item.createdDateTime,
        "created_by_id": creator.id,
        "created_by_name": creator.displayName,
        "last_modified": item.lastModifiedDateTime,
        "last_modified_by_id": modifier.id,
        "last_modified_by_name": modifier.displayName,
        "etag": item.eTag,
        "ctag": item.cTag,
        "child_count": item.folder and item.folder.childCount,
        "shared": item.shared is not None,
        "remote_drive_id": remote.parentReference and remote.parentReference.driveId,
        "remote_item_id": remote.id,
        "url": item.webUrl,
        "raw": msgspec.Raw(payload),
    }


def version_row(drive_id: str, item_id: str, payload: bytes) -> Payload:
    """A version of a file."""
    raw = _raw(payload)
    _, modifier = _identity(raw.get("lastModifiedBy"), _ACTORS)
    return {
        "id": f"{drive_id}:{item_id}:{raw['id']}",
        "drive_id": drive_id,
        "item_id": item_id,
        "version_id": raw["id"],
        "size": raw.get("size"),
        "last_modified": raw.get("lastModifiedDateTime"),
        "last_modified_by_id": modifier.get("id"),
        "last_modified_by_name": modifier.get("displayName"),
        "raw": raw,
    }


def permission_row(drive_id: str, item_id: str, payload: bytes) -> Payload:
    """A permission; ``grantedTo`` is deprecated, and alone on some. A link has no principal."""
    raw = _raw(payload)
    link, expires = raw.get("link"), raw.get("expirationDateTime")
    kind, who = _identity(raw.get("grantedToV2") or raw.get("grantedTo"), _PRINCIPALS)
    if link is not None:
        kind, who = "link", {}
    return {
        "id": f"{drive_id}:{item_id}:{raw['id']}",
        "drive_id": drive_id,
        "item_id": item_id,
        "permission_id": raw["id"],
        "roles": raw.get("roles"),
        "principal_type": kind,
        "principal_id": who.get("id"),
        "principal_name": who.get("displayName"),
        "link_type": (link or {}).get("type"),
        "link_scope": (link or {}).get("scope"),
        "inherited_from_id": (raw.get("inheritedFrom") or {}).get("id"),
        "expires": None if str(expires).startswith(_NEVER) else expires,
        "raw": raw,
    }


def _actor(identities: ItemActors | None) -> ItemActor:
    """The first kind of identity that there is."""
    if identities is None:
        return _NOBODY
    return identities.user or identities.application or identities.device or _NOBODY


def _raw(payload: bytes) -> Payload:
    found = without_addresses(decoded(payload))
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        raise unexpected_payload("the drive", "no object with an id")
    return found


def stripped(payload: bytes | msgspec.Raw) -> bytes:
    """A payload without pre-authenticated addresses, everything else as it was received."""
    body = bytes(payload)
    if rb"\u00" in body:  # a name may be written with escapes
        return as_json(without_addresses(decoded(body))).encode()
    if _SECRET.encode() not in body.lower():
        return body
    members = _members(body)
    kept = _encode({name: value for name, value in members.items() if not name.lower().endswith(_SECRET)})
    return kept if _SECRET.encode() not in kept.lower() else as_json(without_addresses(decoded(body))).encode()


def without_addresses(value: Any) -> Any:
    """A payload without pre-authenticated addresses, at any depth."""
    if isinstance(value, dict):
        return {
            name: without_addresses(one) if isinstance(one, dict | list) else one
            for name, one in value.items()
            if not name.lower().endswith(_SECRET)
        }
    return [without_addresses(one) for one in value] if isinstance(value, list) else value


def _identity(identities: Payload | None, kinds: Sequence[str]) -> tuple[str | None, Payload]:
    """The first kind of identity that there is, and what is known of it."""
    for kind in kinds:
        if identities and identities.get(kind) is not None:
            return kind, identities[kind]
    return None, {}
