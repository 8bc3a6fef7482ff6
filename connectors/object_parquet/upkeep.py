"""What keeps a table small: few large files instead of many small ones, stray files removed, old manifests emptied.

Nothing here can take a row or a receipt away. Files are merged by an ordinary commit. A file is stray when the newest
state does not name it, no manifest that is younger than the grace time took it out of the table (somebody may still
read it), and it is itself older than that: a slice writes its files and commits them within the grace time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import polars as pl

from connectors.lake.objects import DRAFT
from connectors.object_parquet.files import OURS
from connectors.object_parquet.manifests import Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.lake.objects import Objects
    from connectors.object_parquet.files import DataFiles
    from connectors.object_parquet.manifests import DataFileEntry, ManifestLog, TableState

_STORED = 0.25
"""Part of the target size (in memory) that a file has as it is stored, about."""


def compacted(log: ManifestLog, files: DataFiles, target_bytes: int) -> str:
    """Write small files of one folder as one, a target size at a time; what was done. A commit between ends it."""
    before = after = 0
    state = log.load()
    while state is not None and (group := next(_groups(state, target_bytes * _STORED), None)):
        added = files.write(state, pl.concat([files.read(state, file) for file in group]))
        said = Manifest(
            table_id=state.table_id,
            operation="compact",
            added=tuple(added),
            removed=tuple(file.path for file in group),
        )
        done = log.commit(state, said) if len(added) < len(group) else None
        if done is None:
            files.discard(added)
            break
        before, after, state = before + len(group), after + len(added), done
    return f"{before} small files written as {after}" if before else ""


def _groups(state: TableState, stored_bytes: float) -> Iterator[list[DataFileEntry]]:
    folders: dict[str, list[DataFileEntry]] = {}
    for file in state.files.values():
        if file.bytes < stored_bytes / 2:
            folders.setdefault(file.path.rpartition("/")[0], []).append(file)
    for small in folders.values():
        group: list[DataFileEntry] = []
        for file in small:
            if group and sum(each.bytes for each in group) + file.bytes > stored_bytes:
                break
            group.append(file)
        if len(group) > 1:
            yield group


def remove_strays(objects: Objects, log: ManifestLog, folder: str, grace_s: float) -> tuple[str, ...]:
    """Remove data files that nothing names and empty manifests that nobody needs, when so many seconds old."""
    old = time.time() - grace_s
    found = [*objects.list(f"{folder}/data/"), *(each for each in objects.list(log.place) if each.key.endswith(DRAFT))]
    # Read after the listing, so that a file that was committed meanwhile is named.
    state = log.load()
    if state is None:
        return ()
    kept = {f"{folder}/{path}" for path in state.files}
    full = log.newest_full()
    emptied = 0
    for entry, number in list(log.listed()):
        if entry.modified_s >= old:
            said = log.read(entry.key)
            kept |= {f"{folder}/{path}" for path in said.removed} if said is not None else set()
        elif number < full:
            objects.put(entry.key, b"")
            emptied += 1
    strays = [
        entry.key
        for entry in found
        if entry.modified_s < old and entry.key not in kept and (OURS.search(entry.key) or entry.key.endswith(DRAFT))
    ]
    objects.delete(strays)
    lines = (f"{len(strays)} stray files removed" if strays else "", f"{emptied} manifests emptied" if emptied else "")
    return tuple(line for line in lines if line)
