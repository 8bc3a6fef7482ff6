"""Slices beside the ranges of a plan: rows without a cursor value, rows missed by a continued run, missing keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.slicing import key_chunks
from connectors.sql.settled import Watermark
from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from contracts.model import Json
    from contracts.plan import IngestionPlan

MAX_REPAIR_KEYS = 1_000


def unordered_slice(sequence: int, cursor: Sequence[str]) -> IngestionSlice:
    """Rows without a value in any cursor column: they have no place above or below a watermark."""
    explain = f"rows without a value in {', '.join(cursor)}"
    return IngestionSlice(key="unordered", sequence=sequence, params={"unordered": list(cursor), "explain": explain})


def catch_up_slices(plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
    """One slice from the old view's end: rows that left an unread range for a newer cursor value are in it.

    None without a cursor; and none without a key: such a table is one slice, read whole or in the sink already.
    """
    if plan.checkpoint_after is None or not plan.unit.primary_key:
        return ()
    after = Watermark.model_validate(plan.checkpoint_after)
    if after.highest is None:
        return ()
    explain = f"{', '.join(after.columns)} >= {after.highest}, read again because the run continued with a new view"
    params: Json = {"since": {"columns": list(after.columns), "value": after.highest}, "explain": explain}
    return (IngestionSlice(key=f"catch-up-{epoch}", sequence=0, params=params),)


def repair_slices(plan: IngestionPlan, keys: Sequence[Json], epoch: int) -> tuple[IngestionSlice, ...]:
    """Slices of at most a thousand listed keys, fewer if they are long."""
    columns = list(plan.unit.primary_key)
    values: list[list[JsonValue]] = [[str(key[name]) for name in columns] for key in keys]
    return tuple(
        IngestionSlice(
            key=f"repair-{epoch}-{index:03d}",
            sequence=index,
            params={"keys": {"columns": [*columns], "values": [*chunk]}, "explain": f"{len(chunk)} missing row(s)"},
        )
        for index, chunk in enumerate(key_chunks(values, MAX_REPAIR_KEYS))
    )
