"""Memory does not grow with the unit."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, Group
from connector_kit.checks.observed_keys import KeyRecorder
from connector_kit.checks.rows import frame_of
from connector_kit.checks.system import HookMissingError, UntriedError

if TYPE_CHECKING:
    from connector_kit.checks.context import CheckContext, ConnectedSource
    from contracts.plan import IngestionPlan, IngestionSlice

GROUP = Group("memory", "Memory")
ONE_SLICE = {"slice_rows": 5_000, "slice_issues": 5_000}


def _grown(context: CheckContext) -> None:
    """A small system that can grow does."""
    with suppress(HookMissingError):
        context.system.grow(2 * context.system.buffered_rows)
        context.grown = True


def _largest(context: CheckContext, one: ConnectedSource, plan: IngestionPlan) -> IngestionSlice:
    """The slice with most rows.

    Raises:
        UntriedError: It has too few to show anything.
    """
    sizes = {piece.key: len(one.slice(plan, piece).keys) for piece in plan.slices}
    best = max(plan.slices, key=lambda piece: sizes[piece.key])
    if sizes[best.key] < 2 * context.system.buffered_rows:
        raise UntriedError(f"no slice has {2 * context.system.buffered_rows} rows, twice what the connector may hold")
    return best


@GROUP.check("bound", "Rows are passed on as they arrive, not collected", "I6")
def bound(context: CheckContext) -> CheckObservation:
    """Rows on the wire against rows handed on, at every batch of the largest slice."""
    most, watch = context.system.buffered_rows, KeyRecorder.at(context.system.row_location)
    _grown(context)
    with context.connected(**context.known(**ONE_SLICE)) as one:
        plan = one.plan()
        piece = _largest(context, one, plan)
        one.proxy.fault = watch
        given = worst = 0
        for batch in one.source.export(plan, piece):
            sent = sum(len(page) for page in watch.pages)
            worst = max(worst, sent - given)
            given += frame_of(batch).height
    if not watch.pages:
        raise UntriedError("no page of rows went through the proxy")
    expected = f"at most {most} rows between the system and the stages at any time"
    return CheckObservation(worst <= most, f"a slice of {given} rows", f"{worst} rows were held", expected)


@GROUP.check("released", "A batch is released once it is passed on", "I6")
def released(context: CheckContext) -> CheckObservation:
    """Nobody else may hold the batches that came before."""
    _grown(context)
    with context.connected(**context.known(**ONE_SLICE)) as one:
        plan = one.plan()
        piece = _largest(context, one, plan)
        seen: list[weakref.ref[object]] = []
        most = 0
        for batch in one.source.export(plan, piece):
            seen.append(weakref.ref(batch))
            del batch
            gc.collect(0)
            most = max(most, sum(one_of() is not None for one_of in seen))
    expected = "at most two batches alive at any time"
    return CheckObservation(most <= 2, f"a slice of {len(seen)} batches", f"{most} were alive", expected)
