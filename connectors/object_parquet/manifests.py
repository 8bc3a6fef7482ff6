"""A table's state as numbered, immutable manifests; committing is writing the next number, which one writer can.

``_nucleus/manifests/000000000007.json`` says what the seventh commit changed; a *full* one says everything, so that a
reader needs the newest full one and what follows it. Full ones come the more rarely the larger the state is: ten
thousand slices do not write megabytes each.

An emptied manifest still holds its number: the cleaning empties old ones instead of deleting them, or a writer that
slept through a whole day could commit on top of a state that is long gone.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.catalog import LogicalType
from contracts.errors import SinkCorruptError, SinkSchemaConflictError
from contracts.receipts import RunRef, UpsertReceipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from connectors.lake.objects import ListedObject, Objects

FORMAT = 1
_DELTAS = 32
"""At least so many manifests lie between two full ones, and one more for so many files and receipts."""

Bound = int | str | None


class DataFileEntry(BaseModel):
    """A data file.

    Attributes:
        path: Relative to the table's folder.
        rows: In it.
        bytes: As stored.
        bounds: Least and greatest value of key columns, where they are integers, times (as integers) or text. None
            is no bound: text is cut at 64 characters, and a cut greatest value bounds nothing.
    """

    model_config = ConfigDict(frozen=True)

    path: str
    rows: int
    bytes: int
    bounds: dict[str, tuple[Bound, Bound]] = {}


class Manifest(BaseModel):
    """One commit: what it changed; of a full one everything that holds after it.

    Attributes:
        columns: Logical and stored type by column.
        epochs: Newest epoch by hash of (endpoint, unit, sink).
        runs: Run id by the same hash; a new id forgets the receipts of the run before.
        receipts: Receipts by the same hash and slice.
    """

    model_config = ConfigDict(frozen=True)

    format: int = FORMAT
    counter: int = 0
    table_id: str
    commit_id: str = ""
    written_at: str = ""
    operation: str
    full: bool = False
    owner: tuple[str, str] | None = None
    key: tuple[str, ...] | None = None
    columns: dict[str, tuple[LogicalType, str]] = {}
    epochs: dict[str, int] = {}
    runs: dict[str, str] = {}
    last_ref: RunRef | None = None
    receipts: dict[str, dict[str, UpsertReceipt]] = {}
    added: tuple[DataFileEntry, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableState:
    """A table after a commit. Fields are as in :class:`Manifest`."""

    counter: int
    tag: str
    table_id: str
    owner: tuple[str, str] | None = None
    key: tuple[str, ...] = ()
    columns: Mapping[str, tuple[LogicalType, str]] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)
    runs: Mapping[str, str] = field(default_factory=dict)
    last_ref: RunRef | None = None
    receipts: Mapping[str, Mapping[str, UpsertReceipt]] = field(default_factory=dict)
    files: Mapping[str, DataFileEntry] = field(default_factory=dict)
    deltas: int = 0

    @property
    def rows(self) -> int:
        """In all live files."""
        return sum(file.rows for file in self.files.values())

    def after(self, said: Manifest, tag: str) -> TableState:
        """The state that a commit makes of this one."""
        receipts = dict(self.receipts)
        for ref, run_id in said.runs.items():
            if self.runs.get(ref) != run_id:
                receipts.pop(ref, None)
        for ref, more in said.receipts.items():
            receipts[ref] = {**receipts.get(ref, {}), **more}
        gone = set(said.removed)
        files = {path: file for path, file in self.files.items() if path not in gone}
        return replace(
            self,
            counter=said.counter,
            tag=tag,
            owner=said.owner or self.owner,
            key=self.key if said.key is None else said.key,
            columns={**self.columns, **said.columns},
            epochs={**self.epochs, **said.epochs},
            runs={**self.runs, **said.runs},
            last_ref=said.last_ref or self.last_ref,
            receipts=receipts,
            files={**files, **{file.path: file for file in said.added}},
            deltas=0 if said.full else self.deltas + 1,
        )

    def wants_full(self) -> bool:
        """Whether the next manifest should be a full one."""
        held = len(self.files) + sum(len(each) for each in self.receipts.values())
        return self.deltas + 1 >= max(_DELTAS, held // _DELTAS)

    def whole(self, last: Manifest) -> Manifest:
        """The same commit as a full manifest."""
        return last.model_copy(
            update={
                "full": True,
                "owner": self.owner,
                "key": self.key,
                "columns": dict(self.columns),
                "epochs": dict(self.epochs),
                "runs": dict(self.runs),
                "last_ref": self.last_ref,
                "receipts": {ref: dict(each) for ref, each in self.receipts.items()},
                "added": tuple(self.files.values()),
            }
        )


class ManifestLog:
    """The manifests of one table; safe between threads. What was read is kept, and only what is new is read again."""

    def __init__(self, objects: Objects, folder: str) -> None:
        self._objects = objects
        self.place = f"{folder}/_nucleus/manifests/"
        self._hint = f"{folder}/_nucleus/latest-full"
        self._lock = threading.Lock()
        self._state: TableState | None = None

    def load(self) -> TableState | None:
        """The table as it is now; None when there is none.

        Raises:
            SinkSchemaConflictError: Manifests are missing.
        """
        with self._lock:
            state = self._state
            if state is None or (known := self._forward(state)) is None:
                known = self._read_anew()
            self._state = known
            return known

    def commit(self, before: TableState | None, said: Manifest) -> TableState | None:
        """Write the next manifest; the state after it, or None when somebody else wrote it first."""
        begun = before or TableState(0, "", said.table_id)
        made = said.model_copy(
            update={
                "counter": begun.counter + 1,
                "table_id": begun.table_id,
                "commit_id": uuid4().hex,
                "written_at": datetime.now(UTC).isoformat(),
                "full": before is None,
            }
        )
        after = begun.after(made, "")
        if before is not None and before.wants_full():
            made = after.whole(made)
            after = replace(after, deltas=0)
        if not self._objects.put_if_absent(self._key(made.counter), _encoded(made)):
            return None
        with self._lock:
            if self._state is None or self._state.counter < after.counter:
                self._state = after
        if made.full:
            self._objects.put(self._hint, str(made.counter).encode())
        return after

    def listed(self) -> Iterator[tuple[ListedObject, int]]:
        """Manifests that are not emptied, and their numbers, in order."""
        for entry in self._objects.list(self.place):
            number = _number(entry.key)
            if number is not None and entry.size_bytes:
                yield entry, number

    def read(self, key: str) -> Manifest | None:
        """One manifest; None when it is missing or emptied.

        Raises:
            SinkCorruptError: Somebody changed it.
        """
        held = self._objects.get(key)
        if held is None or not held[0]:
            return None
        try:
            return Manifest.model_validate_json(held[0])
        except ValidationError as error:
            raise SinkCorruptError(
                f"The manifest {self._objects.uri(key)} was changed and cannot be read: {error.errors()[0]['msg']}",
                "Restore it from a version of the bucket or a backup; without it, nobody knows which files are rows.",
            ) from None

    def newest_full(self) -> int:
        """The number of a recent full manifest, 0 if none is known."""
        held = self._objects.get(self._hint)
        return int(held[0]) if held is not None and held[0].isdigit() else 0

    def _forward(self, state: TableState) -> TableState | None:
        """The state after the commits since this one; None when this one is not in the folder's past."""
        entries = [e for e in self._objects.list(self.place, self._key(state.counter - 1)) if _number(e.key)]
        if not entries or _number(entries[0].key) != state.counter or state.tag not in {"", entries[0].tag}:
            return None
        state = replace(state, tag=entries[0].tag)
        for entry in entries[1:]:
            said = self.read(entry.key)
            if said is None or said.table_id != state.table_id:
                return None
            state = state.after(said, entry.tag)
        return state

    def _read_anew(self) -> TableState | None:
        hint = self.newest_full()
        entries = [e for e in self._objects.list(self.place, self._key(hint - 1) if hint else "") if _number(e.key)]
        if hint and (not entries or _number(entries[0].key) != hint):
            entries = [e for e in self._objects.list(self.place) if _number(e.key)]
        if not entries:
            return None
        said: list[tuple[Manifest, str]] = []
        for entry in reversed(entries):
            manifest = self.read(entry.key)
            if manifest is None:
                break
            said.append((manifest, entry.tag))
            if manifest.full:
                return _folded(said)
        raise SinkSchemaConflictError(
            f"Manifests are missing below {self.place}",
            "Restore them, or remove the table's folder and run again.",
            place=self.place,
        )

    def _key(self, counter: int) -> str:
        return f"{self.place}{counter:012d}.json"


def _folded(said: list[tuple[Manifest, str]]) -> TableState:
    """The state after these manifests, newest first, the last of them a full one."""
    state = TableState(0, "", said[-1][0].table_id)
    for manifest, tag in reversed(said):
        state = state.after(manifest, tag)
    return state


def _encoded(said: Manifest) -> bytes:
    return said.model_dump_json(exclude_defaults=True).encode()


def _number(key: str) -> int | None:
    name = key.rpartition("/")[2]
    return int(name[:12]) if len(name) == 17 and name[:12].isdigit() and name.endswith(".json") else None
