"""Finding rows that are gone at the source, and rows that are missing here, by comparing keys file by file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

import polars as pl

from connectors.lake.difference import without
from connectors.lake.tables import LiveT, MadeT
from connectors.lake.text import as_text
from connectors.lake.values import converted
from contracts.errors import CompletenessGapError, DeleteGuardError
from contracts.receipts import CensusReceipt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from connectors.lake.tables import LakeTable, TableFiles
    from contracts.model import Json
    from contracts.plan import IngestionPlan
    from contracts.staging import RecordReader

MAX_MISSING = 10_000
_KEY = "__nucleus_key"


class KeyCensus(Generic[LiveT, MadeT]):
    """The rows of a reader as keys of the table, against the table's files.

    Args:
        target: The table.
        plan: Of the run.
        files: Of one state of it; nothing else is looked at.
        reader: Keys, in the unit's own column names; other columns are versions, or what is searched by.
    """

    def __init__(
        self,
        target: LakeTable,
        plan: IngestionPlan,
        files: TableFiles[LiveT, MadeT],
        reader: RecordReader | None,
    ) -> None:
        self._target, self._plan, self._files = target, plan, files
        self._there = files.columns
        self._keys = _keys(target, plan, self._there, reader) if reader is not None else pl.DataFrame()
        self.at_source = reader.manifest.rows if reader is not None else 0

    def live_rows(self) -> int:
        """Rows that are ours and not tombstoned."""
        return sum(self._live(rows).height for _, rows in self._looked_at(()))

    def has_owned_rows(self) -> bool:
        """Whether any row is ours, tombstoned ones included."""
        return any(rows.select(self._target.owned().any()).item() for _, rows in self._looked_at(()))

    def reconciled(self) -> tuple[CensusReceipt, tuple[Json, ...], list[MadeT], list[MadeT]]:
        """Receipt, missing keys, files added and files removed, after the guard let them pass."""
        identity = list(self._target.identity)
        versions = [name for name in self._keys.columns if name not in identity]
        in_sink = gone = 0
        touched: list[LiveT] = []
        held: list[pl.DataFrame] = []
        for file, rows in self._looked_at(versions):
            live = self._live(rows)
            missing_there = live.join(self._keys, on=identity, how="anti").height
            in_sink, gone = in_sink + live.height, gone + missing_there
            if missing_there:
                touched.append(file)
            held.append(self._same_version(live, identity, versions).select(identity))
        self._guard(gone, in_sink)
        missing = self._missing(identity, held)
        added, removed = self._treated(touched, listed=False)
        return self._receipt(in_sink, gone, self.at_source, len(missing)), missing, added, removed

    def removed(self) -> tuple[CensusReceipt, list[MadeT], list[MadeT]]:
        """Rows with exactly these keys are gone: receipt, files added and files removed."""
        identity = list(self._target.identity)
        in_sink = gone = 0
        touched: list[LiveT] = []
        for file, rows in self._looked_at(()):
            live = self._live(rows)
            listed = live.join(self._keys, on=identity, how="semi").height
            in_sink, gone = in_sink + live.height, gone + listed
            if listed:
                touched.append(file)
        self._guard(gone, in_sink)
        added, removed = self._treated(touched, listed=True)
        return self._receipt(in_sink, gone, 0, 0), added, removed

    def found(self, *, absent: bool) -> Iterator[pl.DataFrame]:
        """Keys of live rows as text, by the unit's own column names; one batch per file."""
        target, given = self._target, self._keys.columns
        compared = list(target.identity) if set(target.identity) <= set(given) else given
        for _, rows in self._looked_at(compared):
            live = self._live(rows)
            if given:
                live = live.join(self._keys.select(compared).unique(), on=compared, how="anti" if absent else "semi")
            yield self._as_unit_keys(live)
        yield self._as_unit_keys(pl.DataFrame(schema={n: self._there[n] or pl.String() for n in target.identity}))

    def _looked_at(self, more: Sequence[str]) -> Iterator[tuple[LiveT, pl.DataFrame]]:
        names = list(dict.fromkeys([*self._target.looked_at(set(self._there)), *more]))
        for file in self._files.live():
            yield file, self._files.read(file, names)

    def _live(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(self._target.live(set(rows.columns)))

    def _same_version(self, live: pl.DataFrame, identity: list[str], versions: list[str]) -> pl.DataFrame:
        listed = self._keys.rename({name: f"__nucleus_{name}" for name in versions})
        both = live.join(listed, on=identity, how="inner")
        for name in versions:
            said = pl.col(f"__nucleus_{name}")
            both = both.filter(said.is_null() | said.eq_missing(pl.col(name)))
        return both

    def _missing(self, identity: list[str], held: list[pl.DataFrame]) -> tuple[Json, ...]:
        missing = self._keys.select(identity)
        if held:
            missing = missing.join(pl.concat(held), on=identity, how="anti")
        if missing.height > MAX_MISSING:
            raise CompletenessGapError(
                f"More than {MAX_MISSING} keys of the source are missing or stale in {self._target} after a complete "
                "run",
                "Run again; if it stays, compare source and sink with nucleus verify.",
                table=str(self._target),
            )
        return tuple(self._as_unit_keys(missing).iter_rows(named=True))

    def _as_unit_keys(self, rows: pl.DataFrame) -> pl.DataFrame:
        names = zip(self._target.identity, self._plan.unit.primary_key, strict=True)
        return rows.select(as_text(pl.col(held), rows.schema[held]).alias(name) for held, name in names)

    def _treated(self, touched: list[LiveT], *, listed: bool) -> tuple[list[MadeT], list[MadeT]]:
        """Write the touched files again without their gone rows, or with them marked."""
        added: list[MadeT] = []
        if self._plan.on_gone == "ignore":
            return added, []
        for file in touched:
            rows = self._files.read(file)
            known = self._keys.select(self._target.identity).unique().with_columns(pl.lit(value=True).alias(_KEY))
            joined = rows.join(known, on=list(self._target.identity), how="left", maintain_order="left")
            hit = pl.col(_KEY).is_not_null() if listed else pl.col(_KEY).is_null()
            gone = joined.select((hit & self._target.live(set(rows.columns))).fill_null(value=False)).to_series()
            added += self._files.write(without(rows, gone, self._target, self._plan.on_gone))
        return added, [self._files.dropped(file) for file in touched]

    def _guard(self, gone: int, in_sink: int) -> None:
        allowed = self._plan.policy.max_delete_fraction
        if self._plan.on_gone == "ignore" or gone <= in_sink * allowed:
            return
        raise DeleteGuardError(
            f"{gone} of {in_sink} rows in {self._target} are gone at the source, more than max_delete_fraction "
            f"{allowed:g} allows",
            "If that is right, raise max_delete_fraction for this unit and run again; nothing was removed.",
            rows_gone=gone,
            rows_in_sink=in_sink,
            max_delete_fraction=allowed,
        )

    def _receipt(self, in_sink: int, gone: int, at_source: int, missing: int) -> CensusReceipt:
        return CensusReceipt(
            rows_at_source=at_source,
            rows_in_sink=in_sink,
            rows_gone=gone,
            rows_deleted=gone if self._plan.on_gone == "delete" else 0,
            rows_tombstoned=gone if self._plan.on_gone == "tombstone" else 0,
            rows_missing=missing,
        )


def _keys(
    target: LakeTable, plan: IngestionPlan, there: Mapping[str, pl.DataType | None], reader: RecordReader
) -> pl.DataFrame:
    """The reader's rows in the table's own types; of a shared table the unit's key becomes the source's id."""
    frames = list(reader.iter_batches())
    frame = pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(plan.unit.primary_key, pl.String))
    unit_key = [name for name in plan.unit.primary_key if name in frame.columns]
    if target.owner is not None and unit_key:
        (source_id,) = target.identity
        texts = [as_text(pl.col(name), frame.schema[name]) for name in unit_key]
        joined = pl.concat_str(texts, separator=":").alias(source_id)
        others = [name for name in frame.columns if name not in unit_key]
        frame = frame.select(joined, *others)
    wanted = {name: dtype for name, dtype in there.items() if dtype is not None}
    return converted(frame, wanted, str(target))
