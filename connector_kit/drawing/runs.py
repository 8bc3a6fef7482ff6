"""What a run means to do, and what it did: slices, receipts, seconds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from connector_kit.drawing.bars import Bar, Part, bars
from connector_kit.drawing.drawing import AMBER, BLUE, GREEN, GREY, INK, RED, VIOLET, Drawing, beside
from connector_kit.drawing.table import record, table
from connector_kit.drawing.values import TableCell, cell, duration, size
from contracts.plan import IngestionSlice
from contracts.receipts import StageReceipt, UpsertReceipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from contracts.model import Json
    from contracts.plan import IngestionPlan
    from contracts.receipts import RunSummary

MOST_LINES = 24
STAGES: Mapping[str, str] = {"plan": VIOLET, "export": BLUE, "stage": GREY, "upsert": GREEN, "census": AMBER}
Receipt = StageReceipt | UpsertReceipt


def plan(made: IngestionPlan, receipts: Iterable[Receipt] = ()) -> Drawing:
    """A plan as a chart of its slices: rows that were promised or estimated, and rows that came.

    Args:
        made: The plan.
        receipts: Of staged or written slices, so far as there are any; slices beyond the plan come last.
    """
    by_key = {receipt.slice_key: receipt for receipt in receipts}
    extra = [IngestionSlice(key=key, sequence=0) for key in by_key if key not in {one.key for one in made.slices}]
    lines = [_line(piece, by_key.get(piece.key)) for piece in (*made.slices, *extra)]
    what = f"{made.unit.unit_id}: {made.mode}, {_counted(len(made.slices))}, {made.strategy}"
    return bars(_folded(lines), "rows", title=what, note=made.reason)


def slices(made: IngestionPlan) -> Drawing:
    """The plan's slices as a table: what each reads."""
    rows = [
        (
            piece.sequence,
            piece.key,
            str(piece.params.get("explain", "")),
            piece.expected_rows if piece.expected_rows is not None else piece.estimated_rows,
            TableCell("") if piece.estimated_bytes is None else size(piece.estimated_bytes),
        )
        for piece in made.slices[:MOST_LINES]
    ]
    rest = len(made.slices) - len(rows)
    most = 5 if any(piece.estimated_bytes is not None for piece in made.slices) else 4
    return table(
        ("#", "key", "covers", "rows|about", "bytes|about")[:most],
        [row[:most] for row in rows],
        title=_counted(len(made.slices)),
        note=f"… and {rest} more" if rest else "",
    )


def checkpoint(before: Json | None, after: Json | None) -> Drawing:
    """Where a run began and how far it vouches for."""
    states = [_flat(before or {}), _flat(after or {})]
    names = dict.fromkeys([*states[0], *states[1]])
    rows = [(name, *(TableCell(one.get(name, ""), wrap=True) for one in states)) for name in names]
    return table(("", "before", "after"), rows, title="Checkpoint")


def summary(done: RunSummary) -> Drawing:
    """A finished run: counters, and where its seconds went."""
    rows: dict[str, Any] = {
        "run": f"{done.ref}, epoch {done.epoch}",
        "read": f"{done.rows_read:,} rows in {done.slices_done} slices, {size(done.bytes_staged)} staged",
        "written": f"{done.rows_inserted:,} inserted · {done.rows_updated:,} updated · "
        f"{done.rows_unchanged:,} unchanged · {done.rows_deleted:,} deleted",
        "expected": "nobody promised a number" if done.rows_expected is None else f"{done.rows_expected:,} rows",
        "took": duration(done.seconds),
    }
    if done.slices_done_before:
        rows["done before"] = f"{done.slices_done_before} slices, by an earlier process"
    if done.rows_tombstoned:
        rows["marked as gone"] = f"{done.rows_tombstoned:,} rows"
    if done.gaps:
        rows["gaps"] = TableCell("; ".join(done.gaps), wrap=True)
    kind = "complete" if not done.gaps else "with gaps"
    head = record(rows, title=f"{done.ref.unit_id}: {done.mode} run, {kind}")
    return beside(head, _seconds(done.seconds_by_stage))


def receipts(written: Iterable[UpsertReceipt]) -> Drawing:
    """Receipts of slices as they stand in the sink."""
    ordered = sorted(written, key=lambda receipt: receipt.sequence)
    rows = [
        (one.slice_key, one.strategy, one.rows_staged, one.rows_inserted, one.rows_updated, one.rows_unchanged,
         one.rows_duplicate, cell(duration(one.seconds)), TableCell(_json(one.observed), wrap=True))
        for one in ordered
    ]  # fmt: skip
    headings = ("slice", "written by", "staged", "inserted", "updated", "unchanged", "duplicate", "took", "observed")
    most = len(headings) if any(one.observed for one in ordered) else len(headings) - 1
    return table(headings[:most], [row[:most] for row in rows], title="Receipts")


def _seconds(by_stage: Mapping[str, float]) -> Drawing:
    lines = [
        Bar(stage, (Part(seconds, STAGES.get(stage, GREY), stage),), caption=duration(seconds))
        for stage, seconds in by_stage.items()
    ]
    return bars(lines, "seconds, all workers together", width=520)


def _line(piece: IngestionSlice, receipt: Receipt | None) -> Bar:
    words = str(piece.params.get("explain", "")) or piece.key
    label, index = (words, str(piece.sequence)) if piece.params else (piece.key, "")
    promised = piece.expected_rows
    if isinstance(receipt, UpsertReceipt) and receipt.expected_rows is not None:
        promised = receipt.expected_rows
    wanted = promised if promised is not None else piece.estimated_rows
    firm, sign = promised is not None, "" if promised is not None else "~"
    if receipt is None:
        label_of_rows = "" if wanted is None else f"{sign}{wanted:,}"
        return Bar(label, (), wanted, firm, label_of_rows, f"{piece.key}: not read yet", index=index)
    came = receipt.rows if isinstance(receipt, StageReceipt) else receipt.rows_staged
    wrong = firm and came != promised
    label_of_rows = f"{came:,}" if wanted is None or came == wanted else f"{came:,} of {sign}{wanted:,}"
    return Bar(
        label, _parts(receipt, wrong=wrong), wanted, firm, label_of_rows, piece.key, RED if wrong else INK, index
    )


def _parts(receipt: Receipt, *, wrong: bool) -> tuple[Part, ...]:
    if isinstance(receipt, StageReceipt):
        return (Part(receipt.rows, RED if wrong else BLUE, "received, not what was promised" if wrong else "received"),)
    return (
        Part(receipt.rows_inserted, GREEN, "inserted"),
        Part(receipt.rows_updated, AMBER, "updated"),
        Part(receipt.rows_unchanged, GREY, "unchanged"),
        Part(receipt.rows_duplicate, VIOLET, "twice in the slice"),
    )


def _folded(lines: list[Bar]) -> list[Bar]:
    """At most ``MOST_LINES`` lines: the rest in words."""
    if len(lines) <= MOST_LINES:
        return lines
    rest = lines[MOST_LINES - 1 :]
    rows = sum(sum(part.amount for part in line.parts) or line.outline or 0 for line in rest)
    return [*lines[: MOST_LINES - 1], Bar(f"… and {len(rest)} more slices", caption=f"{rows:,.0f} rows in all of them")]


def _counted(slices: int) -> str:
    return f"{slices:,} slice{'s' if slices != 1 else ''}"


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """What is nested under its path: ``projects.OPS.lastUpdated``."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": _json(value)}
    return flat


def _json(value: Any) -> str:
    if value in (None, {}, []):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
