"""Which issues are wanted: the selectors of a unit's policy, checked and turned into JQL conditions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from connectors.http.progress import fingerprint
from connectors.http.scope import read_selectors
from connectors.jira import jql
from contracts.errors import FilterNotSupportedError
from contracts.model import Contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

SELECTORS = ("projectKeys", "statuses", "assigneeIds", "updatedFrom")


class Scope(Contract):
    """What a unit's policy selects.

    Attributes:
        project_keys: Only these projects; all when empty.
        statuses: Only issues in these statuses, by name.
        assignee_ids: Only issues assigned to these accounts.
        updated_from: Only issues updated at or after this moment; where a project that was never read starts.
    """

    project_keys: tuple[str, ...] = Field((), alias="projectKeys")
    statuses: tuple[str, ...] = ()
    assignee_ids: tuple[str, ...] = Field((), alias="assigneeIds")
    updated_from: datetime | None = Field(None, alias="updatedFrom")

    @field_validator("project_keys", "statuses", "assignee_ids", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("updated_from")
    @classmethod
    def _has_a_zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    @property
    def conditions(self) -> list[str]:
        """JQL for everything but the projects."""
        made = []
        if self.statuses:
            made.append(jql.one_of("status", self.statuses))
        if self.assignee_ids:
            made.append(jql.one_of("assignee", self.assignee_ids))
        if self.updated_from is not None:
            made.append(jql.at_least("updated", jql.milliseconds(self.updated_from)))
        return made

    def selected(self, allowed: Sequence[str] = ()) -> list[str]:
        """JQL for everything: the projects, or those that the endpoint allows, and the rest; none for a whole site."""
        projects = self.project_keys or tuple(allowed)
        return [*([jql.one_of("project", projects)] if projects else []), *self.conditions]

    def fingerprint(self, unit: EndpointUnitDescriptor) -> str:
        """Changes when issues that were read before must be read again: other selectors, other columns."""
        return fingerprint(
            sorted(self.statuses),
            sorted(self.assignee_ids),
            self.updated_from,
            sorted(column.name for column in unit.columns),
        )


def scope_of(unit: EndpointUnitDescriptor, policy: UnitPolicy, *, selectable: bool) -> Scope:
    """The policy's selection.

    Raises:
        FilterNotSupportedError: Predicates on columns, an unknown selector, a value of the wrong kind, or selectors
            for a unit that has none.
    """
    if policy.filter:
        raise FilterNotSupportedError(
            f"{unit.unit_id} cannot be filtered by columns", f"Use selectors: {', '.join(SELECTORS)}."
        )
    unknown = [name for name in policy.selectors if name not in SELECTORS]
    if unknown or (policy.selectors and not selectable):
        what = f"no selector {unknown[0]!r}" if unknown else "no selectors"
        raise FilterNotSupportedError(
            f"{unit.unit_id} has {what}",
            f"Issues, comments and worklogs know {', '.join(SELECTORS)}; leave out the others.",
            unit_id=unit.unit_id,
        )
    return read_selectors(Scope, unit, policy)
