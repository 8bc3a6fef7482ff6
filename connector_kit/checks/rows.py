"""What was read, as typed rows by key, and how two readings differ in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from connector_kit.recording.cassette import ORIGIN
from connector_kit.recording.page_shape import dumps, loads
from flows.operations.cells import representable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from contracts.errors import IngestionError
    from contracts.plan import SliceReport
    from contracts.staging import Batch
    from contracts.unit import EndpointUnitDescriptor

Row = dict[str, Any]
_SHOWN = 3


@dataclass
class SliceRead:
    """One slice that was read to its end."""

    frames: list[pl.DataFrame]
    report: SliceReport
    keys: list[str]

    @property
    def incomplete(self) -> str:
        """What the report says is missing, in words; empty when nothing is."""
        if self.report.gaps:
            return self.report.gaps[0]
        expected = self.report.expected_rows
        return "" if expected in {None, len(self.keys)} else f"{len(self.keys)} of {expected} rows"


@dataclass
class ReadResult:
    """What came of reading slices. Slices that did not come to their end left no rows, as in a run.

    Attributes:
        rows: By key; parts of a key joined by ``/``.
        duplicated: Keys that came more than once, within a slice or in two.
        slices: Those read to their end, by key.
        error: The typed error that ended the reading.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    duplicated: list[str] = field(default_factory=list)
    slices: dict[str, SliceRead] = field(default_factory=dict)
    error: IngestionError | None = None

    @property
    def gaps(self) -> list[str]:
        """What the reports say is missing."""
        return [read.incomplete for read in self.slices.values() if read.incomplete]

    def add(self, name: str, read: SliceRead, rows: Iterable[Row]) -> None:
        """Add a slice; a later row of a key takes the place of an earlier one."""
        self.slices[name] = read
        for key, row in zip(read.keys, rows, strict=True):
            if key in self.rows:
                self.duplicated.append(key)
            self.rows[key] = row

    def over(self, older: ReadResult) -> ReadResult:
        """This reading on top of an older one."""
        return ReadResult(rows={**older.rows, **self.rows}, slices={**older.slices, **self.slices}, error=self.error)


def frame_of(batch: Batch) -> pl.DataFrame:
    """A batch as a frame; a frame is one already."""
    return batch if isinstance(batch, pl.DataFrame) else pl.DataFrame(batch)


def keys_of(frame: pl.DataFrame, unit: EndpointUnitDescriptor) -> list[str]:
    """Keys of the rows as text."""
    return ["/".join(map(str, parts)) for parts in representable(frame.select(unit.primary_key)).iter_rows()]


def comparable(frames: Iterable[pl.DataFrame], unit: EndpointUnitDescriptor, address: str) -> Iterator[Row]:
    """Rows with JSON written in one way, and with the system's address in the place of ``address``.

    A moment that Python has no value for (year 0, say) is given as text.
    """
    json_columns = {column.name for column in unit.columns if column.logical_type == "json"}
    for frame in frames:
        for row in representable(frame).rows(named=True):
            yield {name: _comparable(value, address, name in json_columns) for name, value in row.items()}


def _comparable(value: Any, address: str, is_json: bool) -> Any:  # noqa: FBT001 - of one column
    if not isinstance(value, str):
        return value
    text = value.replace(address, ORIGIN)
    if not is_json:
        return text
    try:
        return dumps(loads(text.encode())).decode()
    except ValueError:
        return f"no JSON: {text}"


def bare(keys: Iterable[str]) -> dict[str, Row]:
    """Keys as rows without columns: their difference is that of the keys."""
    return {key: {} for key in keys}


def difference(truth: Mapping[str, Row], got: Mapping[str, Row], without: Sequence[str] = ()) -> str:
    """How ``got`` differs from ``truth``, in words; empty when it does not.

    Args:
        truth: Rows by key.
        got: Rows by key.
        without: Columns that may differ.
    """
    missing, extra = [key for key in truth if key not in got], [key for key in got if key not in truth]
    parts = [f"{len(missing)} of {len(truth)} rows are missing ({_some(missing)})"] if missing else []
    parts += [f"{len(extra)} rows are there that should not be ({_some(extra)})"] if extra else []
    changed = [line for key in truth if key in got and (line := _changed(key, truth[key], got[key], without))]
    parts += [f"{len(changed)} rows differ ({'; '.join(changed[:2])})"] if changed else []
    return ", ".join(parts)


def same(one: Any, other: Any) -> bool:
    """Equal in type and value; NaN is NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and bool(one == other)


def shown(value: Any) -> str:
    """A value, short."""
    text = value.isoformat() if isinstance(value, datetime) else repr(value)
    return text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"


def _changed(key: str, truth: Row, got: Row, without: Sequence[str]) -> str:
    if list(truth) != list(got):
        return f"row {key} has other columns"
    for name, value in truth.items():
        if name not in without and not same(value, got[name]):
            return f"row {key}, {name}: {shown(got[name])} instead of {shown(value)}"
    return ""


def _some(keys: Sequence[str]) -> str:
    more = "" if len(keys) <= _SHOWN else ", …"
    return ", ".join(sorted(keys)[:_SHOWN]) + more
