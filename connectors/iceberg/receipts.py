"""Receipts in the summaries of a table's snapshots: written with the rows, read back from the branch's history.

A table's metadata holds all its snapshots, and each commit reads and writes it again. So a run of many slices folds:
now and then a snapshot takes over the receipts so far, compressed, and the same commit forgets the snapshots they came
from. (A file beside the metadata would be smaller, but catalogs that own the storage take no files of other names.)
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from pyiceberg.table.refs import MAIN_BRANCH

from connectors.iceberg.commits import REF, RUN, Change, run_summary
from connectors.lake.runs import ref_key
from contracts.receipts import UpsertReceipt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot

    from connectors.iceberg.upsert import WrittenSlice
    from contracts.receipts import RunHandle

SLICE, RECEIPT, FOLDED = "nucleus.slice", "nucleus.receipt", "nucleus.receipts"
FOLD_AT = 100
"""Snapshots of a run that a table remembers at most, about."""


def receipts_in(table: Table, run: RunHandle) -> dict[str, UpsertReceipt]:
    """Receipts of the run by slice key, from the snapshots that led to the table's present state."""
    return {key: UpsertReceipt.model_validate_json(text) for key, text in _texts(table, run).items()}


def receipt_in(table: Table, run: RunHandle, slice_key: str) -> UpsertReceipt | None:
    """The receipt of one slice, or None."""
    text = _texts(table, run).get(slice_key)
    return UpsertReceipt.model_validate_json(text) if text is not None else None


def with_receipt(table: Table, run: RunHandle, receipt: UpsertReceipt, written: WrittenSlice) -> Change:
    """The commit of a slice's files and its receipt; now and then it folds the receipts before it."""
    said = {**run_summary(run), SLICE: receipt.slice_key, RECEIPT: receipt.model_dump_json()}
    old = _own_history(table, run)
    if len(old) < FOLD_AT:
        return Change(written.added, written.removed, said)
    folded = {FOLDED: _packed(_texts(table, run))}
    named = {ref.snapshot_id for name, ref in table.metadata.refs.items() if name != MAIN_BRANCH}
    forgotten = [each.snapshot_id for each in old if each.snapshot_id not in named]
    return Change(written.added, written.removed, {**said, **folded}, forgotten=forgotten)


def history(table: Table) -> Iterator[Snapshot]:
    """The snapshots that led to the present state, newest first, as far as the table remembers them."""
    known = {snapshot.snapshot_id: snapshot for snapshot in table.metadata.snapshots}
    snapshot = table.current_snapshot()
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        snapshot = known.get(parent) if parent is not None else None


def said_in(snapshot: Snapshot, name: str) -> str | None:
    """A word of the snapshot's summary."""
    said = snapshot.summary[name] if snapshot.summary is not None else None
    return None if said is None else str(said)


def _texts(table: Table, run: RunHandle) -> dict[str, str]:
    """Receipts by slice key; of two for one key, the newer."""
    found: dict[str, str] = {}
    for snapshot in history(table):
        if not _is_of(snapshot, run):
            continue
        receipt = said_in(snapshot, RECEIPT)
        if receipt is not None:
            found.setdefault(said_in(snapshot, SLICE) or "", receipt)
        if (packed := said_in(snapshot, FOLDED)) is not None:
            return {**_unpacked(packed), **found}
    return found


def _packed(texts: dict[str, str]) -> str:
    return b64encode(zlib.compress(json.dumps(texts).encode())).decode()


def _unpacked(packed: str) -> dict[str, str]:
    texts: dict[str, str] = json.loads(zlib.decompress(b64decode(packed)))
    return texts


def _own_history(table: Table, run: RunHandle) -> list[Snapshot]:
    """The run's snapshots; none where another run's lie between, whose receipts are found through them."""
    own: list[Snapshot] = []
    others = False
    for snapshot in history(table):
        if not _is_of(snapshot, run):
            others = others or said_in(snapshot, REF) is not None
        elif others:
            return []
        else:
            own.append(snapshot)
    return own


def _is_of(snapshot: Snapshot, run: RunHandle) -> bool:
    return said_in(snapshot, REF) == ref_key(run.ref) and said_in(snapshot, RUN) == run.run_id
