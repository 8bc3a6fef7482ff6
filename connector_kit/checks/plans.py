"""The plan: data, the same twice, slices that share no row and leave none out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, Group, failed, passed
from connector_kit.checks.expectations import describe_error
from connector_kit.checks.observed_keys import keys_at_source
from connector_kit.checks.rows import bare, difference
from contracts.errors import IngestionError, PlanError
from contracts.plan import IngestionPlan, explain
from contracts.unit import Predicate, UnitPolicy

if TYPE_CHECKING:
    from connector_kit.checks.context import CheckContext

GROUP = Group("plan", "Plans")
_MOST_BYTES = 64 * 1024


@GROUP.check("deterministic", "The same inputs give the same plan", "I3")
def deterministic(context: CheckContext) -> CheckObservation:
    """Two sources plan the same unit."""
    with context.connected() as one:
        first, again = one.plan(), one.plan()
    with context.connected() as other:
        third = other.plan()
    sent = "one unit, planned twice by one source and once by another, while nothing changed"
    expected = "three plans with the same slices"
    for made in (again, third):
        for mine, theirs in zip(first.slices, made.slices, strict=False):
            if mine != theirs:
                return failed(sent, f"slice {mine.sequence} is {mine.params} and then {theirs.params}", expected)
        if len(first.slices) != len(made.slices):
            return failed(sent, f"{len(first.slices)} slices and then {len(made.slices)}", expected)
    return passed(sent, f"{len(first.slices)} slices, three times the same", expected)


@GROUP.check("disjoint", "No row is in two slices", "I2")
def disjoint(context: CheckContext) -> CheckObservation:
    """Every slice is read; no key comes twice."""
    with context.connected() as one:
        plan = context.plan(one)
        reading = one.read(plan)
    sent, expected = f"{len(plan.slices)} slices, read one after the other", "every key in one slice, once"
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    if reading.duplicated:
        return failed(sent, f"{len(reading.duplicated)} keys came twice ({reading.duplicated[0]}, …)", expected)
    return passed(sent, f"{len(reading.rows)} keys, each once", expected)


@GROUP.check("covering", "Every row is in a slice", "I1")
def covering(context: CheckContext) -> CheckObservation:
    """The keys of all slices are those of the system."""
    with context.connected() as one:
        there, known_by = keys_at_source(context, one)
        plan = context.plan(one)
        reading = one.read(plan)
    sent = f"{len(plan.slices)} slices of a unit that has {len(there)} rows, as {known_by} says"
    expected = f"{len(there)} keys"
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    mismatch = difference(bare(there), bare(reading.rows))
    return CheckObservation(not mismatch, sent, mismatch or f"{len(reading.rows)} keys, the same", expected)


@GROUP.check("frozen", "A plan is data: saved and loaded, it reads the same rows", "I3 I5")
def frozen(context: CheckContext) -> CheckObservation:
    """The plan goes through JSON and is followed by another source."""
    with context.connected() as one:
        plan = context.plan(one)
        words = explain(plan)
    text = plan.model_dump_json()
    largest = max(len(piece.model_dump_json()) for piece in plan.slices)
    with context.connected() as other:
        reading = other.read(IngestionPlan.model_validate_json(text))
    sent = "a plan, written as JSON, read back and followed by another source"
    expected = f"the same plan, slices of at most {_MOST_BYTES} bytes each, a line for each, the same rows"
    if IngestionPlan.model_validate_json(text) != plan:
        return failed(sent, "the plan that was read back is another one", expected)
    if largest > _MOST_BYTES or len(words.splitlines()) < len(plan.slices):
        return failed(sent, f"a slice of {largest} bytes, {len(words.splitlines())} lines", expected)
    if reading.error is not None:
        return failed(sent, describe_error(reading.error), expected)
    mismatch = difference(context.truth, reading.rows)
    return CheckObservation(not mismatch, sent, mismatch or f"the same {len(reading.rows)} rows", expected)


@GROUP.check("selection", "A filter or selector that cannot be applied is refused, not ignored", "I1")
def selection(context: CheckContext) -> CheckObservation:
    """A filter by a column that is not there, and an unknown selector."""
    sent = "a filter by a column that does not exist, and a selector that does not exist"
    expected = "a PlanError with a next step, both times"
    policies = (
        UnitPolicy(filter=(Predicate(column="no such column", op="eq", value=1),)),
        UnitPolicy(selectors={"no such selector": "x"}),
    )
    with context.connected() as one:
        for policy in policies:
            try:
                made = one.plan(policy=policy)
            except IngestionError as error:
                if not isinstance(error, PlanError) or not error.next_step:
                    return failed(sent, describe_error(error), expected)
            else:
                return failed(sent, f"a plan of {len(made.slices)} slices", expected)
    return passed(sent, "refused", expected)
