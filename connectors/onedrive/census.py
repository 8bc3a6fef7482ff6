"""Which keys the drives have: full enumerations, what the feeds say is gone, and answers about single keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from connectors.http.client import Refusal
from connectors.onedrive.drives import find_drives
from connectors.onedrive.errors import UNSEEN, incomplete, typed_errors
from connectors.onedrive.feed import read_changes, read_everything
from connectors.onedrive.folders import FolderTree
from connectors.onedrive.progress import DriveCheckpoint
from connectors.onedrive.reading import DriveSliceReader, changes_since, children_of, item_frames
from connectors.onedrive.rows import frame_of
from connectors.onedrive.scope import is_inside, scope_of
from connectors.onedrive.units import is_by_feed, is_of_items
from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.onedrive.client import GraphClient
    from connectors.onedrive.feed import DriveReading
    from contracts.plan import IngestionPlan

_VERSION = ("id", "drive_id", "parent_id", "name", "path", "etag", "last_modified", "shared")


class _ChildId(msgspec.Struct):
    id: str


class DriveKeys:
    """The keys of one plan's unit, for one comparison: what was enumerated for it is kept.

    Args:
        client: Graph.
        plan: Its unit, its drives and where it began.
    """

    def __init__(self, client: GraphClient, plan: IngestionPlan) -> None:
        self._client, self.plan, self._unit = client, plan, plan.unit.dataset.name
        scope = scope_of(plan.unit, plan.policy)
        self._roots = scope.roots(client.config)
        self._before = DriveCheckpoint.read(plan.checkpoint_before, scope.fingerprint(plan.unit, client.config))
        self._scope, self._fingerprint = scope, scope.fingerprint(plan.unit, client.config)
        self._live: dict[str, set[str]] = {}
        """Ids of items inside the scope, by drive, as of this comparison."""

    @property
    def drives(self) -> list[str]:
        """The plan's drives, in order.

        Raises:
            CompletenessGapError: One of them could not be seen.
        """
        for piece in self.plan.slices:
            if "unseen" in piece.params:
                raise incomplete(self.plan.unit.unit_id, f"{piece.params['unseen']} cannot be seen")
        # A drive without changes has no slice in a plan of versions or permissions.
        read = DriveCheckpoint.model_validate(self.plan.checkpoint_after or {}).drives.keys()
        return sorted({*read, *(str(one.params["drive"]) for one in self.plan.slices if "drive" in one.params)})

    def listed(self) -> Iterator[pl.DataFrame]:
        """Keys of everything inside the unit's selectors; the login is proven before and after.

        Raises:
            CompletenessGapError: Part of it could not be listed: what is missing then is not gone.
        """
        with typed_errors(what=self._unit):
            self._client.login()
            if not is_by_feed(self.plan.unit.dataset):
                yield self._drive_keys()
            else:
                yield pl.DataFrame(schema={"id": pl.String}) if self._keys_only else self._empty()
                for drive in self.drives:
                    yield from self._of(drive)
            self._client.login()

    def told_gone(self) -> Iterator[pl.DataFrame] | None:
        """Items that a feed says are gone since the checkpoint, or that left the scope; None for other units."""
        return self._told_gone() if self._unit == "item" and self._before.drives else None

    def parents(self) -> Iterator[pl.DataFrame] | None:
        """Of items: drives whose feed does not tell all that is gone. Of versions and permissions: items asked."""
        if is_of_items(self.plan.unit.dataset) and self._before.drives:
            return self._asked()
        return self._untold() if self._unit == "item" and self._before.drives else None

    def absent(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Those of the keys that the drives do not have inside the selectors.

        Raises:
            CompletenessGapError: A drive does not say.
        """
        with typed_errors(what=self._unit):
            texts = keys["id"].cast(pl.String).to_list()
            if self._unit == "drive":
                there = set(self._drive_keys()["id"])
            elif self._unit == "item":
                there = {one for one in texts if self._is_live(*one.partition(":")[::2])}
            else:
                there = self._children_there(texts)
        return keys.filter(~pl.col("id").is_in(sorted(there)))

    # --- lists -----------------------------------------------------------------------------------------------------

    @property
    def _keys_only(self) -> bool:
        return self.plan.mode == "full" or self._unit != "item"

    def _empty(self) -> pl.DataFrame:
        return frame_of("item", []).select(_VERSION)

    def _drive_keys(self) -> pl.DataFrame:
        found = find_drives(self._client, self._scope)
        if found.unseen:
            raise incomplete(self.plan.unit.unit_id, f"{next(iter(found.unseen))} cannot be seen")
        return pl.DataFrame({"id": [*found.payloads]}, schema={"id": pl.String})

    def _of(self, drive: str) -> Iterator[pl.DataFrame]:
        if self._unit == "item":
            reading, tree = self._everything(drive)
            self._live[drive] = self._inside(reading, tree)
            for frame in item_frames(drive, reading, tree, self._roots):
                yield frame.select("id") if self._keys_only else frame.select(_VERSION)
            return
        items = sorted(self._live_items(drive))
        piece = IngestionSlice(key=drive, sequence=0, params={"drive": drive, "items": [*items]})
        frames = DriveSliceReader(self._client, self.plan, piece).of_items(f"{self._unit}s")
        while True:
            try:
                yield next(frames).select("id")
            except StopIteration as end:
                if end.value.gaps:
                    raise incomplete(self.plan.unit.unit_id, end.value.gaps[0]) from None
                return

    def _everything(self, drive: str) -> tuple[DriveReading, FolderTree]:
        try:
            return read_everything(self._client, drive)
        except Refusal as refusal:
            if refusal.status not in UNSEEN:
                raise
            raise incomplete(self.plan.unit.unit_id, f"drive {drive} cannot be read ({refusal})") from refusal

    def _inside(self, reading: DriveReading, tree: FolderTree) -> set[str]:
        paths = ((one, reading.path(one, tree)) for one in reading.items)
        return {one for one, path in paths if path is not None and is_inside(path, self._roots)}

    def _live_items(self, drive: str) -> set[str]:
        if drive not in self._live:
            self._live[drive] = self._inside(*self._everything(drive))
        return self._live[drive]

    # --- since the checkpoint --------------------------------------------------------------------------------------

    def _told_gone(self) -> Iterator[pl.DataFrame]:
        with typed_errors(what=self._unit):
            self._client.login()
            for drive in self.drives:
                known = self._before.drives.get(drive)
                reading = read_changes(self._client, drive, known.delta_link) if known is not None else None
                if known is None or reading is None:
                    continue
                tree = FolderTree.decoded(known.folders).after(reading.folders, reading.gone)
                lost = {*reading.gone}
                for one in reading.items:
                    path = reading.path(one, tree)
                    if path is not None and not is_inside(path, self._roots):
                        lost.add(one)
                keys = [f"{drive}:{one}" for one in sorted(lost)]
                yield pl.DataFrame({"id": keys}, schema={"id": pl.String})
            self._client.login()

    def _untold(self) -> Iterator[pl.DataFrame]:
        with typed_errors(what=self._unit):
            followed = [one for one in self.drives if one in self._before.drives]
            untold = [one for one in followed if self._changes(one) is None]
        yield pl.DataFrame({"drive_id": untold}, schema={"drive_id": pl.String})

    def _changes(self, drive: str) -> tuple[DriveReading, FolderTree] | None:
        return changes_since(self._client, drive, self.plan, self._fingerprint)

    def _asked(self) -> Iterator[pl.DataFrame]:
        for piece in self.plan.slices:
            items = [*_texts(piece.params.get("items")), *_texts(piece.params.get("gone"))]
            drive = str(piece.params.get("drive", ""))
            yield pl.DataFrame(
                {"item_id": items, "drive_id": [drive] * len(items)},
                schema={"item_id": pl.String, "drive_id": pl.String},
            )

    # --- single keys -----------------------------------------------------------------------------------------------

    def _is_live(self, drive: str, item_id: str) -> bool:
        return drive in self.drives and item_id in self._live_items(drive)

    def _children_there(self, keys: Sequence[str]) -> set[str]:
        """Children of items that were asked are asked for again; those of other live items did not change."""
        asked: set[tuple[str, str]] = set()
        gone: set[tuple[str, str]] = set()
        for piece in self.plan.slices:
            drive = str(piece.params.get("drive", ""))
            asked |= {(drive, one) for one in _texts(piece.params.get("items"))}
            gone |= {(drive, one) for one in _texts(piece.params.get("gone"))}
        there: set[str] = set()
        by_item: dict[tuple[str, str], list[str]] = {}
        for key in keys:
            drive, item_id, _ = key.split(":", 2)
            by_item.setdefault((drive, item_id), []).append(key)
        for (drive, item_id), own in by_item.items():
            if (drive, item_id) in asked:
                there |= self._children(drive, item_id)
            elif (drive, item_id) not in gone and self._is_live(drive, item_id):
                there |= set(own)
        return there

    def _children(self, drive: str, item_id: str) -> set[str]:
        try:
            found = children_of(self._client, drive, item_id, f"{self._unit}s")
        except Refusal as refusal:
            if refusal.status == 404:
                return set()
            if refusal.status not in UNSEEN:
                raise
            raise incomplete(self.plan.unit.unit_id, f"item {drive}:{item_id} cannot be seen ({refusal})") from refusal
        return {f"{drive}:{item_id}:{msgspec.json.decode(one, type=_ChildId).id}" for one in found}


def _texts(values: object) -> list[str]:
    return [str(one) for one in values] if isinstance(values, list) else []
