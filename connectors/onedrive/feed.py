"""A drive's delta, read to its end: the last occurrence of an item wins, whatever came before it.

Source: driveItem: delta ("the same item may appear more than once … use the last occurrence", "resync required"). The
order is unspecified, so nothing is derived before the end is there. Payloads are held as bytes, about 1 KB an item.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from connectors.http.client import Refusal
from connectors.onedrive.folders import Folder, FolderTree, joined
from connectors.onedrive.rows import stripped
from contracts.errors import SourcePageFailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.onedrive.client import GraphClient

_MOST_RESTARTS = 5
_TOO_OLD, _MALFORMED = 410, 400


class _Facet(msgspec.Struct, gc=False):
    """Only whether it is there counts."""


class _ParentRef(msgspec.Struct, gc=False):
    id: str = ""


class _TreeItem(msgspec.Struct, gc=False):
    """What the tree needs of an item; facets may be empty objects."""

    id: str
    name: str = ""
    eTag: str = ""  # noqa: N815 - Graph's name
    parentReference: _ParentRef = msgspec.field(default_factory=_ParentRef)  # noqa: N815 - Graph's name
    folder: _Facet | None = None
    package: _Facet | None = None
    root: _Facet | None = None
    deleted: _Facet | None = None


_item = msgspec.json.Decoder(_TreeItem).decode


class DriveReading:
    """What a delta told from a link to its end.

    Args:
        marked: Keep what tells that a folder changed itself.

    Attributes:
        items: Payloads by item id.
        gone: Ids told as deleted; of items never seen too.
        folders: Folders, packages and the root among the items.
        parents: Parent's id by item id.
        link: The delta link that stands for this state.
    """

    def __init__(self, *, marked: bool = False) -> None:
        self._marked = marked
        self.items: dict[str, bytes] = {}
        self.gone: set[str] = set()
        self.folders: dict[str, Folder] = {}
        self.parents: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._shared: dict[str, str] = {}
        self.link = ""

    def add(self, payload: msgspec.Raw) -> None:
        """The next occurrence of an item."""
        one = _item(payload)
        if one.deleted is not None:
            self._forget(one.id)
            self.gone.add(one.id)
            return
        self.gone.discard(one.id)
        self.items[one.id] = stripped(payload)
        parent = "" if one.root is not None else one.parentReference.id
        parent = self._shared.setdefault(parent, parent)  # one text for all that is in a folder
        self.parents[one.id], self._names[one.id] = parent, one.name
        if one.folder is not None or one.package is not None or one.root is not None:
            self.folders[one.id] = Folder(parent, one.name, one.eTag if self._marked else "")

    def path(self, item_id: str, tree: FolderTree) -> str | None:
        """The path of one of the items under a tree that holds its folder; None when it does not."""
        if item_id in self.folders:
            return tree.path(item_id)
        return joined(tree.path(self.parents[item_id]), self._names[item_id])

    def is_whole(self, tree: FolderTree) -> bool:
        """True when the tree holds the folders of all items."""
        return all(self.path(one, tree) is not None for one in self.items)

    def drop(self, item_id: str) -> None:
        """Leave an item out."""
        self._forget(item_id)

    def _forget(self, item_id: str) -> None:
        for kept in (self.items, self.folders, self.parents, self._names):
            kept.pop(item_id, None)


def read_changes(client: GraphClient, drive_id: str, link: str, *, marked: bool = False) -> DriveReading | None:
    """What changed since a link; None when the drive does not say (410), or the link is none of its own (400).

    Raises:
        Refusal: The drive may not be read.
    """
    try:
        return _read(client, drive_id, link, marked=marked)
    except Refusal as refusal:
        if refusal.status in {_TOO_OLD, _MALFORMED}:
            return None
        raise


def read_everything(client: GraphClient, drive_id: str, *, marked: bool = False) -> tuple[DriveReading, FolderTree]:
    """All items of a drive; an enumeration that the drive breaks off (410) begins again.

    An item whose folder was not told is gone with that folder, if the drive does not have the folder any more.

    Raises:
        Refusal: The drive may not be read.
        SourcePageFailedError: It was broken off again and again, or items came without their folders.
    """
    for _ in range(_MOST_RESTARTS):
        try:
            reading = _read(client, drive_id, None, marked=marked)
        except Refusal as refusal:
            if refusal.status != _TOO_OLD:
                raise
        else:
            tree = FolderTree(reading.folders)
            if not reading.is_whole(tree):
                tree = _without_orphans(client, drive_id, reading, tree)
            return reading, tree
    raise SourcePageFailedError(f"Drive {drive_id} broke off every enumeration (410)", "Run again later.")


def _read(client: GraphClient, drive_id: str, link: str | None, *, marked: bool) -> DriveReading:
    reading = DriveReading(marked=marked)
    for page in client.delta(drive_id, link):
        for payload in page.value:
            reading.add(payload)
        reading.link = page.delta_link or ""
    return reading


def _without_orphans(client: GraphClient, drive_id: str, reading: DriveReading, tree: FolderTree) -> FolderTree:
    orphans = [one for one in reading.items if reading.path(one, tree) is None]
    missing = {reading.parents[one] for one in orphans} - reading.folders.keys()
    for folder_id in sorted(missing):
        if folder_id and _has(client, drive_id, folder_id):
            raise SourcePageFailedError(f"Drive {drive_id} told items without their folder {folder_id}", "Run again.")
    for one in orphans:
        reading.drop(one)
    return FolderTree(reading.folders)


def _has(client: GraphClient, drive_id: str, item_id: str) -> bool:
    try:
        client.item(drive_id, item_id)
    except Refusal as refusal:
        if refusal.status == 404:
            return False
        raise
    return True


def batches(ids: list[str], size: int) -> Iterator[list[str]]:
    """Ids in parts of a size."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
