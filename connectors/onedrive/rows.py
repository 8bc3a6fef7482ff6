"""Payloads as rows. ``raw`` is the payload as received, without pre-authenticated addresses (they need no login)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connectors.http.errors import unexpected_payload
from connectors.http.json_api import decoded
from connectors.http.rows import RowReader
from connectors.onedrive.units import UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

READERS = {unit.name: RowReader(unit) for unit in UNITS}
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
    """An item with its path."""
    raw = _raw(payload)
    _, creator = _identity(raw.get("createdBy"), _ACTORS)
    _, modifier = _identity(raw.get("lastModifiedBy"), _ACTORS)
    file, folder, remote = raw.get("file") or {}, raw.get("folder") or {}, raw.get("remoteItem") or {}
    return {
        "id": f"{drive_id}:{raw['id']}",
        "drive_id": drive_id,
        "item_id": raw["id"],
        "name": raw.get("name"),
        "kind": kind_of(raw),
        "path": path,
        "parent_id": None if "root" in raw else (raw.get("parentReference") or {}).get("id"),
        "size": raw.get("size"),
        "mime_type": file.get("mimeType"),
        "quick_xor_hash": (file.get("hashes") or {}).get("quickXorHash"),
        "created": raw.get("createdDateTime"),
        "created_by_id": creator.get("id"),
        "created_by_name": creator.get("displayName"),
        "last_modified": raw.get("lastModifiedDateTime"),
        "last_modified_by_id": modifier.get("id"),
        "last_modified_by_name": modifier.get("displayName"),
        "etag": raw.get("eTag"),
        "ctag": raw.get("cTag"),
        "child_count": folder.get("childCount"),
        "shared": raw.get("shared") is not None,
        "remote_drive_id": (remote.get("parentReference") or {}).get("driveId"),
        "remote_item_id": remote.get("id"),
        "url": raw.get("webUrl"),
        "raw": raw,
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


def kind_of(raw: Payload) -> str:
    """``root``, ``remote``, ``package``, ``folder`` or ``file``: the first facet that there is."""
    facets = {"root": "root", "remoteItem": "remote", "package": "package", "folder": "folder"}
    return next((kind for facet, kind in facets.items() if raw.get(facet) is not None), "file")


def _raw(payload: bytes) -> Payload:
    found = without_addresses(decoded(payload))
    if not isinstance(found, dict) or not isinstance(found.get("id"), str):
        raise unexpected_payload("the drive", "no object with an id")
    return found


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
