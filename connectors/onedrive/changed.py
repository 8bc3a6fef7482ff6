"""Which items' versions or permissions may have changed since a link.

Assumed where the documentation is silent: a change of an item's own permissions is told by the feed, and changes its
``eTag``. What is inherited changes without a word for everything below: when a folder changed itself, all below it is
asked again. A feed has no word of a deleted old version; full runs find those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from connectors.onedrive.feed import DriveReading, read_changes, read_everything
from connectors.onedrive.folders import FolderTree
from connectors.onedrive.item_payload import item_of
from connectors.onedrive.progress import DriveProgress
from connectors.onedrive.scope import is_inside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.onedrive.client import GraphClient


class ChangedItems(NamedTuple):
    """Of one drive.

    Attributes:
        items: Ids of items to ask.
        gone: Ids of items that are deleted or left the scope.
        whole: Something went without a word, so keys have to be compared.
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
    if known is None or changes is None:
        reading, tree = read_everything(client, drive_id, marked=marked)
        asked, _ = _inside(reading, tree, reading.items, unit, roots)
        return ChangedItems(asked, [], known is not None, DriveProgress(deltaLink=reading.link, folders=tree.encoded()))
    old = FolderTree.decoded(known.folders)
    tree = old.after(changes.folders, changes.gone)
    moved = old.is_moved(changes.folders, changes.gone)
    touched = old.touched(changes.folders) if marked else set()
    if moved or touched or not changes.is_whole(tree):
        return _with_what_is_below(client, drive_id, changes, old, unit, roots)
    asked, outside = _inside(changes, tree, changes.items, unit, roots)
    progress = DriveProgress(deltaLink=changes.link, folders=tree.encoded())
    return ChangedItems(asked, sorted([*changes.gone, *outside]), whole=False, progress=progress)


def _with_what_is_below(
    client: GraphClient, drive_id: str, changes: DriveReading, old: FolderTree, unit: str, roots: tuple[str, ...]
) -> ChangedItems:
    """What changed, and what is below folders that changed themselves, found by an enumeration.

    The state is that of the changes, not of the enumeration: what changed between the two is read by the next run.
    """
    reading, now = read_everything(client, drive_id, marked=unit == "permission")
    tops = old.moved(changes.folders) if unit == "permission" or roots else set()
    if unit == "permission":
        tops |= old.touched(changes.folders)
    below = now.below(tops)
    wanted = [one for one in reading.items if one in changes.items or one in below or reading.parents[one] in below]
    asked, outside = _inside(reading, now, wanted, unit, roots)
    lost = {*changes.gone, *outside, *(changes.items.keys() - reading.items.keys())}
    tree = FolderTree({**now.folders, **old.after(changes.folders, changes.gone).folders})
    progress = DriveProgress(deltaLink=changes.link, folders=tree.encoded())
    return ChangedItems(asked, sorted(lost), old.is_moved(changes.folders, changes.gone), progress)


def _inside(
    reading: DriveReading, tree: FolderTree, ids: Iterable[str], unit: str, roots: tuple[str, ...]
) -> tuple[list[str], list[str]]:
    """Items to ask, in order, and items outside the scope."""
    inside: list[str] = []
    outside: list[str] = []
    for item_id in ids:
        path = reading.path(item_id, tree)
        (inside if path is not None and is_inside(path, roots) else outside).append(item_id)
    # Only files have versions; what they are asked for is known from the payload.
    return sorted(one for one in inside if unit != "version" or item_of(reading.items[one]).kind == "file"), outside
