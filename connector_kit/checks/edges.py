"""Where slices of time meet: what changed just before the end of one is read."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, failed
from connector_kit.checks.expectations import describe_error
from connector_kit.checks.incremental import GROUP
from connector_kit.checks.observed_keys import keys_at_source
from connector_kit.checks.rows import bare, difference
from connector_kit.checks.system import SkippedError, UntriedError

if TYPE_CHECKING:
    from connector_kit.checks.context import CheckContext
    from contracts.plan import IngestionPlan

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


@GROUP.check("edges", "A row that changed just before the end of a slice is read", "I1")
def edges(context: CheckContext) -> CheckObservation:
    """A row is dated 0.4 seconds before a moment that two slices have in common, and everything is read."""
    column, truth = context.system.field("timestamp").column, context.truth
    moments = [row[column] for row in truth.values() if isinstance(row[column], datetime)]
    with context.connected() as one:
        between = [edge for edge in _edges(context.plan(one)) if min(moments) < edge < max(moments)]
        if not between:
            raise SkippedError("no slice ends at a moment")
        key = context.system.change_late((max(moments) - between[0]).total_seconds() + 0.4)
        plan = one.plan()
        if between[0] not in _edges(plan):
            raise UntriedError("the slices are others when one row changes")
        reading = one.whole(plan)
        there, _ = keys_at_source(context, one)
    sent = f"a row that changed 0.4 s before {between[0].isoformat()}, where a slice ends"
    expected = f"row {key} is read, and all others"
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    mismatch = difference(bare(there), bare(reading.rows))
    return CheckObservation(not mismatch, sent, mismatch or f"{len(reading.rows)} rows", expected)


def _edges(plan: IngestionPlan) -> list[datetime]:
    """Moments that more than one slice names."""
    named = [set(_MOMENT.findall(piece.model_dump_json(include={"params"}))) for piece in plan.slices]
    counted = Counter(datetime.fromisoformat(text) for texts in named for text in texts)
    return sorted(moment for moment, count in counted.items() if count > 1 and moment.tzinfo is not None)
