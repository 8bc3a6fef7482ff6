"""What a connector's tables must hold: the live tree in columns, without the payload and addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.onedrive.samples import ACTORS, SandboxDrive, SandboxItem, content_number, hash_of, mime_of, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sandbox.onedrive.site import DriveSite

Row = dict[str, Any]


class DriveTruth:
    """Rows by key. Moments are aware, to the microsecond; what the API does not give is None.

    ``ctag`` is None for business drives, whose feed omits it. An actor is the user, else the application, else the
    device. A link has no principal. ``child_count`` is None where there is no folder facet.

    Args:
        site: Whose.
        drives: Ids; all when None.
        root_path: Items at or below it.
    """

    def __init__(self, site: DriveSite, drives: Iterable[str] | None, root_path: str | None) -> None:
        self.site = site
        wanted = None if drives is None else set(drives)
        self.drives = [one for one in site.drives() if wanted is None or one.drive_id in wanted]
        self.root_path = (root_path or "/").rstrip("/")

    def rows(self, unit: str) -> dict[str, Row]:
        """Of ``drive``, ``item``, ``version`` or ``permission``."""
        made = {"drive": self._drive, "item": self._item, "version": self._versions, "permission": self._permissions}
        rows: Iterator[Row] = made[unit]()
        return {row["id"]: row for row in rows}

    def _drive(self) -> Iterator[Row]:
        for one in self.drives:
            yield {
                "id": one.drive_id,
                "name": one.name,
                "drive_type": one.drive_type,
                "description": one.description,
                "owner_id": one.owner[1],
                "owner_name": one.owner[2],
                "owner_type": one.owner[0],
                "created": read(one.created),
                "last_modified": read(one.modified),
                "quota_total": one.quota_total,
                "quota_used": None if one.quota_total is None else one.used,
            }

    def _items(self) -> Iterator[tuple[SandboxDrive, SandboxItem, str]]:
        for drive in self.drives:
            todo = [(drive.items[drive.root_id], "/")]
            while todo:
                item, path = todo.pop()
                if path == self.root_path or path.startswith(f"{self.root_path}/"):
                    yield drive, item, path
                base = path.rstrip("/")
                todo += [(one, f"{base}/{one.name}") for one in self.site.children(drive, item)]

    def _item(self) -> Iterator[Row]:
        for drive, item, path in self._items():
            file = item.kind == "file"
            created, modified = _actor(item.created_by), _actor(item.modified_by)
            yield {
                "id": f"{drive.drive_id}:{item.item_id}",
                "drive_id": drive.drive_id,
                "item_id": item.item_id,
                "name": item.name,
                "kind": item.kind,
                "path": path,
                "parent_id": item.parent_id,
                "size": item.size,
                "mime_type": mime_of(item) if file else None,
                "quick_xor_hash": hash_of(item) if file else None,
                "created": read(item.created),
                "created_by_id": created[0],
                "created_by_name": created[1],
                "last_modified": read(item.modified),
                "last_modified_by_id": modified[0],
                "last_modified_by_name": modified[1],
                "etag": etag_of(item),
                "ctag": ctag_of(item) if drive.personal else None,
                "child_count": item.child_count if item.kind in {"folder", "root"} else None,
                "shared": item.shared,
                "remote_drive_id": item.remote[0] if item.remote else None,
                "remote_item_id": item.remote[1] if item.remote else None,
            }

    def _versions(self) -> Iterator[Row]:
        for drive, item, _ in self._items():
            for one in self.site.versions(item):
                by = _actor(one.by)
                yield {
                    "id": f"{drive.drive_id}:{item.item_id}:{one.version_id}",
                    "drive_id": drive.drive_id,
                    "item_id": item.item_id,
                    "version_id": one.version_id,
                    "size": one.size,
                    "last_modified": read(one.modified),
                    "last_modified_by_id": by[0],
                    "last_modified_by_name": by[1],
                }

    def _permissions(self) -> Iterator[Row]:
        """Inherited ones are repeated for each descendant; those of hidden items are left out."""
        for drive, item, _ in self._items():
            if (drive.drive_id, item.item_id) in self.site.hidden:
                continue
            for share, above in self.site.permissions(item):
                yield {
                    "id": f"{drive.drive_id}:{item.item_id}:{share.share_id}",
                    "drive_id": drive.drive_id,
                    "item_id": item.item_id,
                    "permission_id": share.share_id,
                    "roles": list(share.roles),
                    "principal_type": share.principal_type,
                    "principal_id": share.principal_id,
                    "principal_name": share.principal_name,
                    "link_type": share.link_type,
                    "link_scope": share.link_scope,
                    "inherited_from_id": above.item_id if above else None,
                    "expires": read(share.expires),
                }


def etag_of(item: SandboxItem) -> str:
    """Changes with every change of an item."""
    return f'"{{{item.item_id}}},{item.revision}"'


def ctag_of(item: SandboxItem) -> str:
    """Changes with the content."""
    return f'"c:{{{item.item_id}}},{content_number(item)}"'


def _actor(index: int) -> tuple[str | None, str | None]:
    actor = ACTORS[index]
    return (actor[1], actor[2]) if actor else (None, None)
