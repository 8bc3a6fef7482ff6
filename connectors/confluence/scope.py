"""Which spaces and moments a unit's policy selects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from connectors.confluence.units import BY_CONTENT, BY_LIST
from connectors.http.progress import fingerprint
from connectors.http.scope import read_selectors
from contracts.errors import FilterNotSupportedError
from contracts.model import Contract

if TYPE_CHECKING:
    from connectors.confluence.config import ConfluenceConfig
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

SELECTORS = ("spaceKeys", "updatedFrom")


class SpaceScope(Contract):
    """What a unit's policy selects.

    Attributes:
        space_keys: Only what is in these spaces; all that the endpoint allows when empty.
        updated_from: Only what was modified at or after this moment.
    """

    space_keys: tuple[str, ...] = Field((), alias="spaceKeys")
    updated_from: datetime | None = Field(None, alias="updatedFrom")

    @field_validator("space_keys", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("updated_from")
    @classmethod
    def _has_a_zone(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value

    def wanted(self, config: ConfluenceConfig) -> tuple[str, ...]:
        """Keys that were asked for by the policy, or else by the endpoint; empty: all that are visible."""
        return self.space_keys or config.space_keys

    def fingerprint(self, unit: EndpointUnitDescriptor) -> str:
        """Changes when what was read before must be read again. Spaces have watermarks of their own."""
        return fingerprint(self.updated_from, sorted(column.name for column in unit.columns))


def scope_of(unit: EndpointUnitDescriptor, policy: UnitPolicy) -> SpaceScope:
    """The policy's selection.

    Raises:
        FilterNotSupportedError: Predicates on columns, an unknown selector, or a value of the wrong kind.
    """
    named = policy.filter[0].column if policy.filter else None
    known = SELECTORS if unit.dataset.name in BY_CONTENT | set(BY_LIST) else SELECTORS[:1]
    named = named or next((one for one in policy.selectors if one not in known), None)
    if named is not None:
        raise FilterNotSupportedError(
            f"{unit.unit_id} cannot be filtered by {named!r}",
            f"Use selectors: {', '.join(known)}.",
            unit_id=unit.unit_id,
        )
    return read_selectors(SpaceScope, unit, policy)
