"""One slice, read: a drive's changes or all of its items, or what hangs on some hundred items."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import polars as pl

from connectors.http.client import Refusal
from connectors.onedrive.drives import find_drives
from connectors.onedrive.errors import UNSEEN, typed_errors
from connectors.onedrive.feed import DriveReading, batches, read_changes, read_everything
from connectors.onedrive.folders import FolderTree
from connectors.onedrive.memory import give_back
from connectors.onedrive.progress import PROGRESS_KEY, DriveCheckpoint, DriveProgress
from connectors.onedrive.rows import drive_row, frame_of, item_row, permission_row, version_row
from connectors.onedrive.scope import is_inside, scope_of
from contracts.plan import SliceReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.onedrive.client import GraphClient
    from contracts.plan import IngestionPlan, IngestionSlice

Frames = Generator[pl.DataFrame, None, SliceReport]
ROWS_PER_BATCH = 500
_ROW_OF = {"versions": version_row, "permissions": permission_row}


def frames_of(client: GraphClient, plan: IngestionPlan, piece: IngestionSlice) -> Frames:
    """Batches of a slice, at least one; then what was promised and what was withheld."""
    unit = plan.unit.dataset.name
    if "unseen" in piece.params:
        yield frame_of(unit, [])
        return SliceReport(gaps=(f"{piece.params['unseen']} cannot be seen ({piece.params['why']})",))
    with typed_errors(what=unit):
        if unit == "drive":
            return (yield from _drives(client, plan))
        reader = DriveSliceReader(client, plan, piece)
        try:
            return (yield from reader.items() if unit == "item" else reader.of_items(f"{unit}s"))
        except Refusal as refusal:
            if refusal.status not in UNSEEN:
                raise
            yield frame_of(unit, [])
            return SliceReport(gaps=(f"drive {piece.params['drive']} cannot be read ({refusal})",))


def _drives(client: GraphClient, plan: IngestionPlan) -> Frames:
    found = find_drives(client, scope_of(plan.unit, plan.policy))
    rows = [drive_row(bytes(payload)) for payload in found.payloads.values()]
    yield frame_of("drive", rows)
    gaps = tuple(f"{name} cannot be seen ({why})" for name, why in found.unseen.items())
    return SliceReport(expected_rows=len(rows), gaps=gaps)


def item_frames(
    drive_id: str, reading: DriveReading, tree: FolderTree, roots: tuple[str, ...], wanted: set[str] | None = None
) -> Iterator[pl.DataFrame]:
    """Rows of a reading that are inside the scope, ordered by id; payloads are let go as their rows are made."""
    for ids in batches(sorted(reading.items), ROWS_PER_BATCH):
        rows = []
        for item_id in ids:
            path, payload = reading.path(item_id, tree), reading.items.pop(item_id)
            if path is not None and is_inside(path, roots) and (wanted is None or item_id in wanted):
                rows.append(item_row(drive_id, payload, path))
        if rows:
            yield frame_of("item", rows)


class DriveSliceReader:
    """One pass over one slice. Use once.

    Args:
        client: Graph.
        plan: Its checkpoint holds the link and the folders that a drive is read from.
        piece: Its ``params`` name the ``drive``; ``since`` its link is used; ``items`` are asked for what hangs on
            them; ``only`` these of its items are given.
    """

    def __init__(self, client: GraphClient, plan: IngestionPlan, piece: IngestionSlice) -> None:
        self._client, self._plan, self._piece = client, plan, piece
        self._drive = str(piece.params["drive"])
        scope = scope_of(plan.unit, plan.policy)
        self._roots = scope.roots(client.config)
        self._scope = scope.fingerprint(plan.unit, client.config)

    def items(self) -> Frames:
        """Items that changed; all of them when a folder moved meanwhile, or the drive does not say what changed."""
        only = self._piece.params.get("only")
        wanted = {str(one) for one in only} if isinstance(only, list) else None
        reading, tree = self._changes() or read_everything(self._client, self._drive)
        rows = 0
        for frame in item_frames(self._drive, reading, tree, self._roots, wanted):
            rows += frame.height
            yield frame
        give_back()
        if not rows:
            yield frame_of("item", [])
        if wanted is not None:
            return SliceReport(expected_rows=rows)
        progress = DriveProgress(deltaLink=reading.link, folders=tree.encoded())
        observed = {PROGRESS_KEY: progress.model_dump(mode="json", by_alias=True)}
        return SliceReport(expected_rows=rows, observed=observed)

    def of_items(self, what: str) -> Frames:
        """``versions`` or ``permissions`` of the slice's items; those of an item that is gone are gone."""
        unit, rows, given = what.removesuffix("s"), [], 0
        gaps: list[str] = []
        items = self._piece.params.get("items")
        for item_id in items if isinstance(items, list) else ():
            try:
                found = children_of(self._client, self._drive, str(item_id), what)
            except Refusal as refusal:
                if refusal.status == 404:
                    continue
                if refusal.status not in UNSEEN:
                    raise
                gaps.append(f"{what} of item {self._drive}:{item_id} cannot be seen ({refusal})")
                continue
            rows += [_ROW_OF[what](self._drive, str(item_id), payload) for payload in found]
            if len(rows) >= ROWS_PER_BATCH:
                given += len(rows)
                yield frame_of(unit, rows)
                rows = []
        if rows or not given:
            yield frame_of(unit, rows)
        return SliceReport(expected_rows=given + len(rows), gaps=tuple(gaps))

    def _changes(self) -> tuple[DriveReading, FolderTree] | None:
        if not self._piece.params.get("since"):
            return None
        return changes_since(self._client, self._drive, self._plan, self._scope)


def changes_since(
    client: GraphClient, drive_id: str, plan: IngestionPlan, scope: str
) -> tuple[DriveReading, FolderTree] | None:
    """What changed in a drive since the plan's checkpoint, with the folders as of now.

    None when that does not tell all: a folder was renamed, moved or deleted, and nothing is said of what is below it;
    the link is too old; or an item's folder is not known.
    """
    known = DriveCheckpoint.read(plan.checkpoint_before, scope).drives.get(drive_id)
    reading = read_changes(client, drive_id, known.delta_link) if known is not None else None
    if known is None or reading is None:
        return None
    old = FolderTree.decoded(known.folders)
    tree = old.after(reading.folders, reading.gone)
    if old.is_moved(reading.folders, reading.gone) or not reading.is_whole(tree):
        return None
    return reading, tree


def children_of(client: GraphClient, drive_id: str, item_id: str, what: str) -> list[bytes]:
    """All versions or permissions of an item, each key once; the last occurrence wins."""
    return [bytes(payload) for page in client.of_item(drive_id, item_id, what) for payload in page]
