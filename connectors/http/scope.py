"""What a run may request of a unit of a paged API: the connector's own units, without filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from connectors.http.progress import columns_fingerprint, fingerprint
from connectors.http.units import datasets
from contracts.catalog import structure
from contracts.errors import (
    CursorUnsupportedError,
    FilterNotSupportedError,
    ModeUnsupportedError,
    SourceSchemaChangedError,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from connectors.http.json_api import PagedSettings
    from connectors.http.units import ApiUnit
    from contracts.endpoint import PlanRequest
    from contracts.model import Contract
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

SelectionT = TypeVar("SelectionT", bound="Contract")


def find_unit(unit: EndpointUnitDescriptor, vendor: str, units: Sequence[ApiUnit]) -> ApiUnit:
    """The connector's unit for a catalogued one, whatever columns that has.

    Raises:
        SourceSchemaChangedError: The connector has no such unit any more.
    """
    for one in units:
        if f"{vendor}.{one.name}" == unit.dataset_id:
            return one
    raise _changed(unit, "is not known any more")


def resolve_unit(unit: EndpointUnitDescriptor, vendor: str, units: Sequence[ApiUnit]) -> ApiUnit:
    """The connector's unit for a catalogued one, with the same columns.

    Raises:
        SourceSchemaChangedError: The connector has no such unit any more, or it has other columns now.
    """
    known = find_unit(unit, vendor, units)
    if structure(datasets(vendor, unit.dataset.namespace, [known])[0]) != structure(unit.dataset):
        raise _changed(unit, "has other columns now")
    return known


def require_mode(request: PlanRequest, why: str) -> None:
    """Refuse a mode that the unit does not have.

    Raises:
        ModeUnsupportedError: Incremental, for a unit that is always read in full; ``why`` says what is missing.
    """
    if request.mode not in request.unit.supported_modes:
        unit_id = request.unit.unit_id
        raise ModeUnsupportedError(f"{unit_id} cannot be read incrementally: {why}", "Use mode full.", unit_id=unit_id)


def fingerprint_of(described: EndpointUnitDescriptor, unit: ApiUnit, settings: PagedSettings) -> str:
    """Changes with the unit's columns, and with settings that narrow what is read; not with the choice of its parts."""
    columns = columns_fingerprint(described)
    narrowed = {name: getattr(settings, name) for name in settings.narrowing if name != unit.parent}
    return fingerprint(columns, narrowed) if any(narrowed.values()) else columns


def chosen_parents(unit: ApiUnit, settings: PagedSettings, policy: UnitPolicy | None = None) -> frozenset[str] | None:
    """Keys of the parents that the policy selects, else of those that the settings name; None: all of them.

    Raises:
        FilterNotSupportedError: One is selected that the settings do not allow.
    """
    if unit.parent is None:
        return None
    allowed = frozenset(_texts(getattr(settings, unit.parent, ())))
    selected = frozenset(_texts(policy.selectors.get(unit.parent, ()) if policy is not None else ()))
    if allowed and selected - allowed:
        raise FilterNotSupportedError(
            f"The endpoint does not allow {', '.join(sorted(selected - allowed))} of {unit.parent}",
            f"Select some of {', '.join(sorted(allowed))}, or add it to the endpoint's field {unit.parent}.",
        )
    return selected or allowed or None


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(one) for one in value) if isinstance(value, list | tuple | set | frozenset) else ()


def reject_selection(unit: EndpointUnitDescriptor, policy: UnitPolicy, selectors: Collection[str | None] = ()) -> None:
    """Refuse what would be ignored otherwise.

    Raises:
        FilterNotSupportedError: A filter was given, or a selector other than these: the list is read in full.
        CursorUnsupportedError: Another cursor than the unit's own.
    """
    unknown = [one.column for one in policy.filter] + [name for name in policy.selectors if name not in selectors]
    if unknown:
        known = ", ".join(name for name in selectors if name)
        raise FilterNotSupportedError(
            f"{unit.unit_id} cannot be filtered (by {unknown[0]!r})",
            f"It has the selector {known}." if known else "Leave out filters and selectors.",
            unit_id=unit.unit_id,
        )
    if policy.cursor_columns not in {(), unit.cursor_candidates}:
        raise CursorUnsupportedError(
            f"{unit.unit_id} cannot be read by {', '.join(policy.cursor_columns)}",
            f"Leave cursor_columns empty; the API filters by {', '.join(unit.cursor_candidates) or 'nothing'}.",
            unit_id=unit.unit_id,
        )


def read_selectors(kind: type[SelectionT], unit: EndpointUnitDescriptor, policy: UnitPolicy) -> SelectionT:
    """The policy's selectors as their model; which of them the unit knows was looked at before.

    Raises:
        FilterNotSupportedError: A value is of the wrong kind.
    """
    try:
        return kind.model_validate(policy.selectors)
    except ValidationError as error:
        problems = [f"{each['loc'][0]}: {each['msg']}" for each in error.errors(include_input=False)]
        raise FilterNotSupportedError(
            f"{unit.unit_id}: {'; '.join(problems)}", "Correct the selectors.", unit_id=unit.unit_id
        ) from error


def _changed(unit: EndpointUnitDescriptor, what: str) -> SourceSchemaChangedError:
    return SourceSchemaChangedError(
        f"{unit.unit_id} {what}", "Collect the catalog again; then run again.", unit_id=unit.unit_id
    )
