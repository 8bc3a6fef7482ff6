"""Changes of every kind by chance, for the property that a client ends with the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.onedrive.samples import SandboxDrive, SandboxItem, name_of

if TYPE_CHECKING:
    import random

    from sandbox.onedrive.site import DriveSite

_KINDS = 10


def change(site: DriveSite, drive: SandboxDrive, rng: random.Random) -> None:
    """One change in a drive; nothing when the one drawn is impossible."""
    items = [one for one in site.items(drive) if one.kind != "root"]
    folders = [site.root(drive), *(one for one in items if one.kind == "folder")]
    folder, kind, number = rng.choice(folders), rng.randrange(_KINDS), rng.randrange(10**6)
    if kind == 0 or not items:
        site.create_file(drive, folder, name_of(number))
    elif kind == 1:
        site.create_folder(drive, folder, f"New folder {number}")
    elif kind == 2:
        _restore(site, drive, rng)
    else:
        _change_item(site, rng.choice(items), folder, kind, number)


def _restore(site: DriveSite, drive: SandboxDrive, rng: random.Random) -> None:
    if gone := [one for one in drive.items.values() if site.restorable(one)]:
        site.restore(rng.choice(gone))


def _change_item(site: DriveSite, item: SandboxItem, folder: SandboxItem, kind: int, number: int) -> None:
    if kind == 3:
        site.rename(item, f"Renamed {number} {item.name}"[:80])
    elif kind in {4, 5} and item not in (folder, *site.ancestors(folder)):
        site.move(item, folder)
    elif kind == 6:
        site.delete(item)
    elif kind == 7:
        site.recreate(item)
    elif kind == 8:
        (site.unshare if item.shared else site.share)(item)
    elif item.kind == "file":
        site.edit_file(item)
