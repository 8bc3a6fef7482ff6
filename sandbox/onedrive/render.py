"""Drives, items, versions and permissions as Graph v1.0 writes them (resource types of the reference)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.onedrive.samples import (
    ACTORS,
    Json,
    SandboxDrive,
    SandboxItem,
    SandboxShare,
    SandboxVersion,
    hash_of,
    mime_of,
)
from sandbox.onedrive.truth import ctag_of, etag_of

if TYPE_CHECKING:
    from sandbox.onedrive.site import DriveSite

DOWNLOAD = "@microsoft.graph.downloadUrl"
_TWINS = {"siteUser", "siteGroup", "user", "group", "application"}


class DriveRenderer:
    """Payloads.

    Args:
        site: Their data.
        url: Of the server, for pre-authenticated addresses.
    """

    def __init__(self, site: DriveSite, url: str) -> None:
        self.site, self.url = site, url

    def drive(self, drive: SandboxDrive) -> Json:
        """A drive; ``quota`` and ``description`` only where it has them."""
        kind, owner_id, name = drive.owner
        made: Json = {
            "createdDateTime": drive.created,
            "id": drive.drive_id,
            "lastModifiedDateTime": drive.modified,
            "name": drive.name,
            "webUrl": f"https://contoso.example/{drive.drive_id[-6:]}/Documents",
            "driveType": drive.drive_type,
            "createdBy": {"user": {"displayName": "System Account"}},
            "owner": {kind: {"id": owner_id, "displayName": name}},
        }
        if drive.description is not None:
            made["description"] = drive.description
        if drive.quota_total is not None:
            left = drive.quota_total - drive.used
            quota = {"deleted": 0, "remaining": left, "state": "normal", "total": drive.quota_total, "used": drive.used}
            made["quota"] = quota
        return made

    def item(self, item: SandboxItem, *, delta: bool = False) -> Json:
        """A driveItem. In a delta ``parentReference`` has no ``path``, and business drives omit ``cTag``."""
        drive = self.site.drive(item.drive_id)
        made: Json = {
            "id": item.item_id,
            "name": item.name,
            "size": item.size,
            "createdDateTime": item.created,
            "lastModifiedDateTime": item.modified,
            "eTag": etag_of(item),
            "webUrl": f"https://contoso.example/{drive.drive_id[-6:]}/{item.item_id}",
            "fileSystemInfo": {"createdDateTime": item.created, "lastModifiedDateTime": item.modified},
            "parentReference": self._parent(item, drive, path=not delta),
        }
        if drive.personal or not delta:
            made["cTag"] = ctag_of(item)
        for name, by in (("createdBy", item.created_by), ("lastModifiedBy", item.modified_by)):
            if (actor := _identity(by)) is not None:
                made[name] = actor
        if item.shared:
            made["shared"] = {"scope": "users"} if item.number % 2 else {}
        made |= self._facet(item, drive)
        return made

    def tombstone(self, item_id: str, item: SandboxItem | None, drive: SandboxDrive) -> Json:
        """A deleted item: business drives omit ``name`` and ``cTag``, a person's ``cTag`` and ``size``.

        Reported, not documented: the parent is the root, whatever it was. A facet may be empty.
        """
        parent: Json = {"driveId": drive.drive_id, "driveType": drive.drive_type, "id": drive.root_id}
        made: Json = {
            "id": item_id,
            "deleted": {} if drive.personal else {"state": "deleted"},
            "parentReference": parent,
        }
        if item is not None and drive.personal:
            made["name"] = item.name
        if item is not None and item.number % 2 and item.kind in {"file", "folder"}:
            made[item.kind] = {}
        if not drive.personal:
            made["size"] = 0
        return made

    def version(self, item: SandboxItem, version: SandboxVersion) -> Json:
        """A driveItemVersion."""
        made: Json = {"id": version.version_id, "lastModifiedDateTime": version.modified, "size": version.size}
        if (actor := _identity(version.by)) is not None:
            made["lastModifiedBy"] = actor
        made[DOWNLOAD] = self._download(item)
        return made

    def permission(self, share: SandboxShare, above: SandboxItem | None, drive: SandboxDrive, number: int) -> Json:
        """A permission, with ``inheritedFrom`` when an ancestor has it."""
        made: Json = {"id": share.share_id, "roles": share.roles, "shareId": f"u!{share.share_id}"}
        if above is not None:
            path = f"/drives/{drive.drive_id}/root:"
            made["inheritedFrom"] = {"driveId": drive.drive_id, "id": above.item_id, "path": path}
        if share.expires is not None:
            made["expirationDateTime"] = share.expires
        who = {"id": share.principal_id, "displayName": share.principal_name}
        if share.principal_type == "link":
            link = {"type": share.link_type, "scope": share.link_scope, "webUrl": "https://contoso.example/:x:/g/1"}
            made["link"] = link
            if share.link_scope == "users":
                both = [{"user": {"id": "a", "displayName": "A"}}, {"user": {"id": "b", "displayName": "B"}}]
                made["grantedToIdentitiesV2"] = both
            return made
        facet: Json = {share.principal_type: who}
        if share.principal_type == "user" and number % 2:
            facet["siteUser"] = {"id": "7", "displayName": share.principal_name, "loginName": "i:0#.f|membership|x"}
        old = share.principal_type == "user" and number % 3 == 0
        if not old:
            made["grantedToV2"] = facet
        if share.principal_type in {"user", "application"}:
            made["grantedTo"] = {share.principal_type: who}  # deprecated, and alone on some
        return made

    def _parent(self, item: SandboxItem, drive: SandboxDrive, *, path: bool) -> Json:
        made: Json = {"driveType": drive.drive_type, "driveId": drive.drive_id}
        if item.parent_id is not None:
            made["id"] = item.parent_id
            if path:
                names = [one.name for one in self.site.ancestors(item) if one.parent_id is not None]
                above = "".join(f"/{one}" for one in reversed(names))
                made["path"] = f"/drives/{drive.drive_id}/root:{above}"
        return made

    def _facet(self, item: SandboxItem, drive: SandboxDrive) -> dict[str, Any]:
        if item.kind == "root":
            return {"root": {}, "folder": {"childCount": item.child_count}}
        if item.kind == "folder":
            return {"folder": {"childCount": item.child_count}}
        if item.kind == "package":
            return {"package": {"type": "oneNote"}}
        if item.remote is not None:
            target: Json = {"id": item.remote[1], "name": "Shared with me", "folder": {"childCount": 3}}
            return {"remoteItem": target | {"parentReference": {"driveId": item.remote[0], "driveType": "business"}}}
        mime, content = mime_of(item), hash_of(item)
        file: Json = {} if mime is None else {"mimeType": mime}
        if content is not None:
            file["hashes"] = {"quickXorHash": content} | ({"sha1Hash": "AB"} if drive.personal else {})
        return {"file": file, DOWNLOAD: self._download(item)}

    def _download(self, item: SandboxItem) -> str:
        return f"{self.url}/download/{item.number}?tempauth=v1.secret-{item.number}"


def _identity(index: int) -> Json | None:
    actor = ACTORS[index]
    if actor is None:
        return None
    who: Json = {"displayName": actor[2]} | ({} if actor[1] is None else {"id": actor[1]})
    if actor[0] == "user":
        # The device or application is told beside the user.
        return {"application": {"id": "app-0002", "displayName": "Web"}, "user": who} if index == 1 else {"user": who}
    return {actor[0]: who}
