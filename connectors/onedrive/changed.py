"""Which items' versions or permissions may have changed since a link.

Assumed where the documentation is silent: a change of an item's own permissions is told by the feed, and changes its
``eTag``. What is inherited changes without a word for everything below: when a folder changed itself, all below it is
asked again. A feed has no word of a deleted old version; full runs find those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from connectors.http.json_api import decoded
from connectors.onedrive.feed import DriveReading, read_changes, read_everything
from connectors.onedrive.folders import FolderTree
from connectors.onedrive.progress import DriveProgress
from connectors.onedrive.rows import kind_of
from connectors.onedrive.scope import is_inside

if TYPE_CHECKING:
    from connectors.onedrive.client import GraphClient


class ChangedItems(NamedTuple):
    """Of one drive.

    Attributes:
        items: Ids of items to ask.
        gone: Ids of items that are deleted or left the scope.
        whole: All of the drive is asked again, so keys have to be compared.
        progress: The state that this stands for.
    """

    items: list[str]
    gone: list[str]
    whole: bool
    progress: DriveProgress


def changed_items(
    client: GraphClient, drive_id: str, known: DriveProgress | None, unit: str, roots: tuple[str, ...]
) -> ChangedItems:
    """What to ask for.

    Raises:
        Refusal: The drive may not be read.
    """
    marked = unit == "permission"
    changes = read_changes(client, drive_id, known.delta_link, marked=marked) if known is not None else None
    if known is not None and changes is not None:
        old = FolderTree.decoded(known.folders)
        tree = old.after(changes.folders, changes.gone)
        if not old.is_moved(changes.folders, changes.gone) and changes.is_whole(tree):
            touched = old.touched(changes.folders) if marked else set()
            if not touched:
                return _of(changes, tree, unit, roots, gone=True)
    reading, tree = read_everything(client, drive_id, marked=marked)
    return _of(reading, tree, unit, roots, gone=False)


def _of(reading: DriveReading, tree: FolderTree, unit: str, roots: tuple[str, ...], *, gone: bool) -> ChangedItems:
    """Items inside the scope; with ``gone``, also what the reading says is gone."""
    inside: list[str] = []
    outside: list[str] = []
    for item_id in reading.items:
        path = reading.path(item_id, tree)
        (inside if path is not None and is_inside(path, roots) else outside).append(item_id)
    asked = [one for one in inside if unit != "version" or kind_of(decoded(reading.items[one])) == "file"]
    lost = sorted([*reading.gone, *outside]) if gone else []
    progress = DriveProgress(deltaLink=reading.link, folders=tree.encoded())
    return ChangedItems(sorted(asked), lost, not gone, progress)
