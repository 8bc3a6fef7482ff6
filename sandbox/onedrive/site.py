"""The data of the stand-in: drives, what happens in them, and the log that feeds read."""

from __future__ import annotations

import random
from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any

from sandbox.onedrive.churn import change
from sandbox.onedrive.samples import (
    ACTORS,
    DriveEvent,
    SandboxDrive,
    SandboxItem,
    SandboxShare,
    SandboxVersion,
    drive_of,
    item_id_of,
    kind_of,
    samples_of_shares,
    seeded,
    written,
)
from sandbox.onedrive.truth import DriveTruth

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SITE_ID = "contoso.sharepoint.com,5a58bb09-1fba-41c1-8125-69da264370a0,9f2ec1da-0be4-4a74-9254-973f0add78fd"
_START = datetime(2025, 1, 6, 9, 0, 0, 123456, tzinfo=UTC)
_DEEP = 12


class DriveSite:
    """An organization's drives. Deterministic by its arguments; safe between threads.

    Args:
        drives: How many: in turn a user's (business), a site's library owned by a group, a person's.
        items: In all drives together, roots not counted.
        seed: Of ids, places and of what a deletion tells.
    """

    def __init__(self, drives: int = 2, items: int = 200, seed: int = 1) -> None:
        self.lock = RLock()
        self.now = _START + timedelta(days=400)
        """The site's clock; each change advances it a little."""
        self.hidden: set[tuple[str, str]] = set()
        """(drive, item) whose permissions answer 403."""
        self.shares: dict[tuple[str, str], list[SandboxShare]] = {}
        self._chance = random.Random(seed)  # noqa: S311 - repeatable data
        self._drives: dict[str, SandboxDrive] = {}
        self._number = self._made = 0
        made = [self.add_drive() for _ in range(drives)]
        for index, drive in enumerate(made):
            self._fill(drive, items // drives + (index < items % drives))

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        with self.lock:
            self.now += timedelta(seconds=seconds)

    # --- what is there -----------------------------------------------------------------------------------------

    def drives(self) -> list[SandboxDrive]:
        """All, in the order of creation, blocked ones too."""
        with self.lock:
            return list(self._drives.values())

    def drive(self, drive: SandboxDrive | str) -> SandboxDrive:
        """By id; KeyError when it is not there."""
        return self._drives[drive if isinstance(drive, str) else drive.drive_id]

    def items(self, drive: SandboxDrive | str, kind: str | None = None) -> list[SandboxItem]:
        """The live items of a drive."""
        with self.lock:
            found = self.drive(drive).items.values()
            return [one for one in found if not one.deleted and kind in (None, one.kind)]

    def root(self, drive: SandboxDrive | str) -> SandboxItem:
        """The root folder."""
        return self.drive(drive).items[self.drive(drive).root_id]

    def children(self, drive: SandboxDrive, item: SandboxItem) -> list[SandboxItem]:
        """Live children, by name."""
        found = (drive.items[one] for one in drive.children.get(item.item_id, ()))
        return sorted((one for one in found if not one.deleted), key=lambda one: one.name)

    def at_path(self, drive: SandboxDrive | str, path: str) -> SandboxItem | None:
        """By path from the root, names compared without case as the service does."""
        there, item = self.drive(drive), self.root(drive)
        for part in filter(None, path.split("/")):
            found = next((one for one in self.children(there, item) if one.name.lower() == part.lower()), None)
            if found is None:
                return None
            item = found
        return item

    def ancestors(self, item: SandboxItem) -> Iterator[SandboxItem]:
        """Folders above, the nearest first."""
        drive = self._drives[item.drive_id]
        while item.parent_id is not None:
            item = drive.items[item.parent_id]
            yield item

    def permissions(self, item: SandboxItem) -> list[tuple[SandboxShare, SandboxItem | None]]:
        """In force on an item: its own, and each ancestor's with the ancestor."""
        own: list[tuple[SandboxShare, SandboxItem | None]] = [
            (s, None) for s in self.shares.get((item.drive_id, item.item_id), ())
        ]
        for above in self.ancestors(item):
            own += [(share, above) for share in self.shares.get((item.drive_id, above.item_id), ())]
        return own

    def versions(self, item: SandboxItem) -> list[SandboxVersion]:
        """Of a file, newest first."""
        if item.versions is not None:
            return item.versions
        return [SandboxVersion("1.0", item.size, item.modified, item.modified_by)] if item.kind == "file" else []

    def as_of(self, drive: SandboxDrive, item_id: str, position: int) -> SandboxItem | None:
        """An item as it was before the log's entry ``position``; None when it was not there."""
        places = drive.places.get(item_id, [])
        index = bisect_left(places, position)
        there = drive.log[places[index]].before if index < len(places) else drive.items.get(item_id)
        return None if there is None or there.deleted else there

    def truth(
        self, unit: str, drives: Iterable[str] | None = None, root_path: str | None = None
    ) -> dict[str, dict[str, Any]]:
        """Rows of ``drive``, ``item``, ``version`` or ``permission`` by key, from the live tree."""
        with self.lock:
            return DriveTruth(self, drives, root_path).rows(unit)

    # --- what happens ------------------------------------------------------------------------------------------

    def create_folder(self, drive: SandboxDrive | str, parent: SandboxItem | None, name: str) -> SandboxItem:
        """A new folder; ``parent`` None is the root."""
        return self._create(self.drive(drive), parent, name, "folder", 0)

    def create_file(
        self, drive: SandboxDrive | str, parent: SandboxItem | None, name: str, size: int = 1234
    ) -> SandboxItem:
        """A new file."""
        return self._create(self.drive(drive), parent, name, "file", size)

    def create_shortcut(self, drive: SandboxDrive | str, parent: SandboxItem | None, to: SandboxItem) -> SandboxItem:
        """A ``remoteItem`` that stands for an item of another drive."""
        with self.lock:
            made = self._create(self.drive(drive), parent, f"Shortcut to {to.name}", "remote", 0)
            made.remote = (to.drive_id, to.item_id)
            return made

    def edit_file(self, item: SandboxItem, size: int | None = None) -> SandboxVersion:
        """New content: a new version, and the item is modified now."""
        with self.lock:
            before = self._live(item)
            versions = self.versions(item)
            item.size = item.size + 7 if size is None else size
            self._drives[item.drive_id].used += item.size - before.size
            item.modified, item.modified_by = self._moment(item.number + item.revision), self._number % len(ACTORS)
            major = int(versions[0].version_id.partition(".")[0]) + 1
            item.versions = [SandboxVersion(f"{major}.0", item.size, item.modified, item.modified_by), *versions]
            self._changed(item, before)
            return item.versions[0]

    def rename(self, item: SandboxItem, name: str) -> None:
        """Another name; the moment of modification stays (assumed: it need not change)."""
        with self.lock:
            before = self._live(item)
            item.name = name
            self._changed(item, before)

    def move(self, item: SandboxItem, parent: SandboxItem) -> None:
        """Below another folder; of a folder's descendants no feed says anything.

        Raises:
            ValueError: Below itself, or into another drive.
        """
        with self.lock:
            before = self._live(item)
            self._live(parent)
            if parent.drive_id != item.drive_id or item in (parent, *self.ancestors(parent)):
                raise ValueError(parent.name)
            self._detach(item)
            item.parent_id = parent.item_id
            self._attach(item)
            self._changed(item, before)

    def delete(self, item: SandboxItem) -> None:
        """To the recycle bin, with all below it: the feed tells all, none or some of those, by the seed."""
        with self.lock:
            before = self._live(item)
            drive = self._drives[item.drive_id]
            below = list(self._below(drive, item))
            self._detach(item)
            told = self._chance.choice((0.0, 0.5, 1.0))
            for one in below:
                was = replace(one)
                one.deleted = True
                self._log(one, was, "change" if self._chance.random() < told else "silent")
            item.deleted = True
            drive.used -= item.size + sum(one.size for one in below)
            self._changed(item, before)

    def restorable(self, item: SandboxItem) -> bool:
        """It is deleted by itself, not only with its folder."""
        return item.deleted and item.item_id not in self.drive(item.drive_id).children.get(item.parent_id or "", ())

    def restore(self, item: SandboxItem) -> None:
        """Out of the recycle bin with all that went with it and the same ids; at the root if its folder is gone."""
        with self.lock:
            drive = self._drives[item.drive_id]
            if not self.restorable(item):
                raise ValueError(item.name)
            before = replace(item)
            if drive.items[item.parent_id or ""].deleted:
                item.parent_id = drive.root_id
            item.deleted = False
            self._attach(item)
            below = list(self._below(drive, item))
            for one in below:
                was = replace(one)
                one.deleted = False
                self._log(one, was, "change")
            drive.used += item.size + sum(one.size for one in below)
            self._changed(item, before)

    def recreate(self, item: SandboxItem) -> SandboxItem:
        """Delete, and create another of that name and kind (folder or file) in its place: a new id."""
        with self.lock:
            parent = self._drives[item.drive_id].items[item.parent_id or ""]
            self.delete(item)
            return self._create(
                self._drives[item.drive_id], parent, item.name, "folder" if item.kind == "folder" else "file", item.size
            )

    def share(self, item: SandboxItem, share: SandboxShare | None = None) -> SandboxShare:
        """Grant a permission; some kind by number when not given. The feed tells the item, nothing below it."""
        with self.lock:
            before = self._live(item)
            self._number += 1
            given = share or samples_of_shares(self._number, f"aTowIy5mfG1lbWJlcnNoaXB8{self._number}")
            self.shares.setdefault((item.drive_id, item.item_id), []).append(given)
            item.shared = True
            self._changed(item, before)
            return given

    def unshare(self, item: SandboxItem, share: SandboxShare | None = None) -> None:
        """Take away one permission, or all of the item's own; the owner's stays."""
        with self.lock:
            before = self._live(item)
            key = (item.drive_id, item.item_id)
            kept = [s for s in self.shares.get(key, ()) if s.roles == ["owner"] or (share and s is not share)]
            self.shares[key] = kept
            item.shared = any(one.roles != ["owner"] for one in kept)
            self._changed(item, before)

    def delete_version(self, item: SandboxItem, version: SandboxVersion | str) -> None:
        """An old one; no feed tells it (assumed).

        Raises:
            ValueError: It is the current one, or is not there.
        """
        with self.lock:
            name, versions = version if isinstance(version, str) else version.version_id, self.versions(item)
            if name not in [one.version_id for one in versions[1:]]:
                raise ValueError(name)
            item.versions = [one for one in versions if one.version_id != name]

    def hide_permissions(self, item: SandboxItem, *, hidden: bool = True) -> None:
        """Its permissions answer 403 ``accessDenied``, or no longer do."""
        with self.lock:
            (self.hidden.add if hidden else self.hidden.discard)((item.drive_id, item.item_id))

    def block_drive(self, drive: SandboxDrive | str, status: int | None = 403) -> None:
        """Every request to it answers 403 or 404; None opens it again."""
        self.drive(drive).blocked = status

    def add_drive(self) -> SandboxDrive:
        """A new one with its root, empty."""
        with self.lock:
            index, self._made = self._made, self._made + 1
            moment = self._moment(index)
            drive = drive_of(index, self._chance, moment, SITE_ID)
            drive.root_id = item_id_of(drive, self._chance, 0)
            root = SandboxItem(drive.drive_id, drive.root_id, "root", "root", None, 1, 0, moment, 0, moment, 0)
            drive.items[root.item_id] = root
            self.shares[drive.drive_id, root.item_id] = [SandboxShare("owner-of-root", ["owner"], *drive.owner)]
            self._drives[drive.drive_id] = drive
            return drive

    def remove_drive(self, drive: SandboxDrive | str) -> None:
        """For good: 404 from now on."""
        with self.lock:
            del self._drives[self.drive(drive).drive_id]

    def churn(self, count: int, rng: random.Random) -> None:
        """So many changes of every kind, by chance."""
        with self.lock:
            for _ in range(count):
                change(self, rng.choice(self.drives()), rng)

    # --- inside ------------------------------------------------------------------------------------------------

    def _live(self, item: SandboxItem) -> SandboxItem:
        """A copy of a live item, as it is before a change."""
        if item.deleted:
            raise ValueError(item.name)
        return replace(item)

    def _moment(self, number: int) -> str:
        self.now += timedelta(microseconds=1_000_003)
        return written(self.now, number % 8)

    def _below(self, drive: SandboxDrive, item: SandboxItem) -> Iterator[SandboxItem]:
        for one in drive.children.get(item.item_id, ()):
            yield drive.items[one]
            yield from self._below(drive, drive.items[one])

    def _detach(self, item: SandboxItem) -> None:
        self._count(item, -1)
        del self._drives[item.drive_id].children[item.parent_id or ""][item.item_id]

    def _attach(self, item: SandboxItem) -> None:
        """Below its parent, under another name when its own is taken there."""
        drive = self._drives[item.drive_id]
        self._count(item, 1)
        siblings = drive.children.setdefault(item.parent_id or "", {})
        taken = {drive.items[one].name.lower() for one in siblings}
        while item.name.lower() in taken:
            item.name = f"1 {item.name}"
        siblings[item.item_id] = None

    def _count(self, item: SandboxItem, by: int) -> None:
        """The number of children of a parent is its own change: it is told even without unchanged ancestors."""
        parent = self._drives[item.drive_id].items[item.parent_id or ""]
        before = replace(parent)
        parent.child_count += by
        self._log(parent, before, "change")

    def _changed(self, item: SandboxItem, before: SandboxItem | None) -> None:
        item.revision += before is not None
        drive = self._drives[item.drive_id]
        drive.modified = self._moment(item.number)
        self._log(item, before, "change")
        for above in self.ancestors(item):
            self._log(above, replace(above), "ancestor")

    def _log(self, item: SandboxItem, before: SandboxItem | None, seen: str) -> None:
        drive = self._drives[item.drive_id]
        drive.places.setdefault(item.item_id, []).append(len(drive.log))
        drive.log.append(DriveEvent(item.item_id, before, seen, self.now))

    def _create(self, drive: SandboxDrive, parent: SandboxItem | None, name: str, kind: str, size: int) -> SandboxItem:
        with self.lock:
            above = parent or self.root(drive)
            self._live(above)
            self._number += 1
            number = self._number
            moment, by = self._moment(number), number % len(ACTORS)
            made = SandboxItem(
                drive.drive_id, item_id_of(drive, self._chance, number), name, kind, above.item_id, number, size,
                moment, by, moment, by,
            )  # fmt: skip
            drive.items[made.item_id] = made
            drive.used += size
            self._attach(made)
            self._changed(made, None)
            return made

    def _fill(self, drive: SandboxDrive, count: int) -> None:
        """The first items, which no log tells: a deep chain of folders, then files and folders anywhere."""
        chance, folders, deep = self._chance, [drive.items[drive.root_id]], 0
        others = [one for one in self._drives.values() if one is not drive]
        for index in range(count):
            self._number += 1
            number = self._number
            parent = folders[-1] if index % 9 == 0 and deep < _DEEP else chance.choice(folders)
            made = written(_START + timedelta(seconds=number * 61, microseconds=number * 7919), number % 8)
            later = _START + timedelta(seconds=number * 61 + number % 977 * 60, microseconds=number * 7919)
            changed = written(later, (number + 3) % 8)
            kind = kind_of(number, index, shortcuts=bool(others))
            item = seeded(drive, item_id_of(drive, chance, number), kind, parent, number, made, changed)
            if kind == "remote":
                item.remote = (others[0].drive_id, others[0].root_id)
            if number % 23 == 0:
                item.shared = True
                key = (drive.drive_id, item.item_id)
                self.shares[key] = [samples_of_shares(number // 23, f"aTowIy5mfG1lbWJlcnNoaXB8{number}")]
            if kind == "folder":
                folders.append(item)
                deep += 1
            drive.items[item.item_id] = item
            drive.children.setdefault(parent.item_id, {})[item.item_id] = None
            parent.child_count += 1
            drive.used += item.size
