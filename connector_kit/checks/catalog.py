"""Metadata first: units exist in the catalog or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.check import CheckObservation, Group
from connector_kit.checks.expectations import describe_error
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from connector_kit.checks.context import CheckContext, ConnectedSource
    from contracts.unit import EndpointUnitDescriptor

GROUP = Group("catalog", "Catalog")


@GROUP.check("units", "Units come from the catalog and nowhere else", "I7")
def units(context: CheckContext) -> CheckObservation:
    """Units against datasets; an empty catalog has none."""
    with context.connected() as one:
        catalog = one.source.collect_catalog("checked")
        listed = one.source.list_units(catalog)
        of_none = one.source.list_units(catalog.model_copy(update={"datasets": ()}))
    there = {dataset.dataset_id: dataset for dataset in catalog.datasets}
    wrong = [f"{unit.unit_id} has no dataset in the catalog" for unit in listed if unit.dataset_id not in there]
    wrong += [f"{unit.unit_id} has no key" for unit in listed if not unit.primary_key]
    wrong += [
        f"{unit.unit_id}: {name} is no column"
        for unit in listed
        for name in (*unit.primary_key, *unit.cursor_candidates)
        if unit.dataset.column(name) is None
    ]
    wrong += [f"{unit.unit_id} is listed for an empty catalog" for unit in of_none]
    sent = f"a catalog of {len(there)} datasets, and one of none"
    expected = "units of those datasets with keys and cursors among their columns; no unit for an empty catalog"
    return CheckObservation(not wrong, sent, "; ".join(wrong) or f"{len(listed)} units, and none", expected)


@GROUP.check("stable", "Collecting the catalog again gives the same catalog", "I7")
def stable(context: CheckContext) -> CheckObservation:
    """Collected twice, by two sources."""
    with context.connected() as one:
        first = one.source.collect_catalog("checked")
        second = one.new_process().source.collect_catalog("checked")
    received = f"version {first.version} and then {second.version}"
    return CheckObservation(
        first.version == second.version, "nothing has changed between", received, "the same version"
    )


@GROUP.check("unknown", "A dataset that no longer exists is refused", "I7")
def unknown(context: CheckContext) -> CheckObservation:
    """A unit whose dataset has another id."""
    with context.connected() as one:
        dataset = one.unit.dataset.model_copy(update={"dataset_id": "no.such", "name": "no_such"})
        received, passed = _planned(one, one.unit.model_copy(update={"unit_id": "no.such", "dataset": dataset}))
    return CheckObservation(
        passed, "a unit of a dataset that does not exist", received, "a typed error with a next step"
    )


@GROUP.check(
    "other-columns", "A unit with other columns than the connector's is refused, or read with just those", "I7 I12"
)
def other_columns(context: CheckContext) -> CheckObservation:
    """The unit lacks its last column."""
    sent, expected = (
        "a catalog whose unit lacks the last column",
        "a typed error with a next step, or just those columns",
    )
    with context.connected() as one:
        dataset = one.unit.dataset
        fewer = dataset.model_copy(update={"columns": dataset.columns[:-1]})
        unit = one.unit.model_copy(update={"dataset": fewer})
        try:
            plan = one.source.plan(one.request(unit))
            columns = one.slice(plan, plan.slices[0]).frames[0].columns
        except IngestionError as error:
            return CheckObservation(bool(error.next_step), sent, describe_error(error), expected)
    right = columns == [column.name for column in fewer.columns]
    return CheckObservation(
        right, sent, f"rows of {len(columns)} columns, {len(fewer.columns)} were asked for", expected
    )


def _planned(one: ConnectedSource, unit: EndpointUnitDescriptor) -> tuple[str, bool]:
    try:
        plan = one.source.plan(one.request(unit))
    except IngestionError as error:
        return describe_error(error), bool(error.next_step)
    return f"a plan of {len(plan.slices)} slices", False
