"""What keeps a table small: few large files instead of many small ones, old snapshots forgotten, stray files removed.

Nothing here can take a row or a receipt away. Files are merged by an ordinary commit; snapshots that hold receipts of
a run that is not finished are kept, and everything newer; a file is stray when no remembered snapshot names it, and it
is older than any commit that may still be under way.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
from pyarrow.fs import FileSelector, FileType
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import PyArrowFileIO

from connectors.iceberg import files
from connectors.iceberg.catalog import OneCommit
from connectors.iceberg.commits import REF, RUN, Change
from connectors.iceberg.errors import translated
from connectors.iceberg.receipts import history, said_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from connectors.iceberg.catalog import IcebergCatalog
    from connectors.iceberg.commits import TableCommits
    from connectors.iceberg.files import LiveFile, ManifestCache
    from connectors.iceberg.runs import RunRecords
    from connectors.lake.names import Identifier

_STORED = 0.25
"""Part of the target size (in memory) that a file has as it is stored, about."""
_ONE_FILE = {"write.target-file-size-bytes": str(2**40)}


class Maintenance:
    """One table's upkeep.

    Args:
        catalog: Where the table is.
        commits: How it is committed to.
        cache: Reads its manifests.
        runs: Says which runs are finished.
        target_bytes: Size of data files, in memory.
    """

    def __init__(
        self,
        catalog: IcebergCatalog,
        commits: TableCommits,
        cache: ManifestCache,
        runs: RunRecords,
        target_bytes: int,
    ) -> None:
        self._catalog, self._commits, self._cache, self._runs = catalog, commits, cache, runs
        self._stored_bytes = target_bytes * _STORED

    def merge_files(self, name: Identifier) -> str | None:
        """Write small files of one partition as one, a target size at a time; what was done, or None.

        A commit that comes between ends it: the next compaction goes on.
        """
        before = after = 0
        table = self._catalog.load(name)
        while table is not None and (group := next(self._groups(self._cache.live_files(table)), None)):
            whole = table.metadata.model_copy(update={"properties": {**table.metadata.properties, **_ONE_FILE}})
            added = files.write(table, pl.concat([files.read(table, file) for file in group]), whole)
            done = len(added) < len(group) and self._commits.once(
                table, Change(added, [file.data for file in group], {"nucleus.compacted": str(len(group))})
            )
            if not done:
                files.discard(table, added)
                break
            before, after = before + len(group), after + len(added)
            table = self._catalog.load(name)
        return f"{before} small files written as {after}" if before else None

    def expire(self, name: Identifier, keep_s: float) -> str | None:
        """Forget snapshots that are older than so many seconds, and that no unfinished run needs."""
        table = self._catalog.load(name)
        if table is None:
            return None
        chain = list(history(table))
        unfinished = {run for run in {_run_of(snapshot) for snapshot in chain} if self._runs.is_unfinished(*run)}
        needed = [place for place, snapshot in enumerate(chain) if _run_of(snapshot) in unfinished]
        kept = {snapshot.snapshot_id for snapshot in chain[: max(needed, default=0) + 1]}
        kept |= {ref.snapshot_id for ref in table.metadata.refs.values()}
        before_ms = (time.time() - keep_s) * 1000
        old = [
            each.snapshot_id
            for each in table.metadata.snapshots
            if each.snapshot_id not in kept and each.timestamp_ms < before_ms
        ]
        if not old:
            return None
        transaction = OneCommit(table)
        transaction.forget(old)
        try:
            self._catalog.commit(table, transaction)
        except CommitFailedException:
            return None  # somebody wrote meanwhile; the next compaction does it
        return f"{len(old)} snapshots expired"

    def remove_strays(self, name: Identifier, grace_s: float) -> str | None:
        """Remove files below the table's location that nothing names, when they are so many seconds old."""
        table = self._catalog.load(name)
        if table is None or not isinstance(table.io, PyArrowFileIO):
            return None
        scheme, netloc, path = table.io.parse_location(table.location(), table.io.properties)
        system = table.io.fs_by_scheme(scheme, netloc)
        with translated("looking for stray files"):
            found = system.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
        # Read after the listing, so that a file that was committed meanwhile is named.
        table = self._catalog.load(name)
        if table is None:
            return None
        named = {PyArrowFileIO.parse_location(each, table.io.properties)[2] for each in _named(table)}
        before = datetime.fromtimestamp(time.time() - grace_s, UTC)
        strays = [
            each.path
            for each in found
            if each.type == FileType.File and each.path not in named and each.mtime is not None and each.mtime < before
        ]
        with translated("removing stray files"):
            for stray in strays:
                system.delete_file(stray)
        return f"{len(strays)} stray files removed" if strays else None

    def _groups(self, live: list[LiveFile]) -> Iterator[list[LiveFile]]:
        """Files to merge: of one partition, small, not beside other engines' deletes; at least two."""
        groups: dict[tuple[int, str], list[LiveFile]] = {}
        for file in live:
            if file.data.file_size_in_bytes < self._stored_bytes / 2:
                groups.setdefault((file.data.spec_id, repr(file.data.partition)), []).append(file)
        for group in groups.values():
            taken: list[LiveFile] = []
            size = 0
            for file in group:
                if size + file.data.file_size_in_bytes > self._stored_bytes:
                    break
                taken.append(file)
                size += file.data.file_size_in_bytes
            if len(taken) > 1:
                yield taken


def _run_of(snapshot: Snapshot) -> tuple[str | None, str | None]:
    return said_in(snapshot, REF), said_in(snapshot, RUN)


def _named(table: Table) -> Iterator[str]:
    """Every file that the table's metadata leads to."""
    metadata = table.metadata
    yield table.metadata_location
    yield from (entry.metadata_file for entry in metadata.metadata_log)
    yield from (each.statistics_path for each in metadata.statistics)
    yield from (each.statistics_path for each in metadata.partition_statistics)
    for snapshot in metadata.snapshots:
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            yield manifest.manifest_path
            yield from (entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io))
