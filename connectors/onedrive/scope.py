"""Which drives and which part of them are wanted: the selectors of a unit's policy, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from connectors.http.progress import columns_fingerprint, fingerprint
from connectors.http.scope import read_selectors
from contracts.errors import FilterNotSupportedError
from contracts.model import Contract

if TYPE_CHECKING:
    from connectors.onedrive.config import OneDriveConfig
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

SELECTORS = ("driveIds", "rootPath")


class DriveScope(Contract):
    """What a unit's policy selects.

    Attributes:
        drive_ids: Only these of the endpoint's drives; all when empty.
        root_path: Only what is at or below this path.
    """

    drive_ids: tuple[str, ...] = Field((), alias="driveIds")
    root_path: str = Field("/", alias="rootPath")

    @field_validator("drive_ids", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("root_path")
    @classmethod
    def _begins_at_the_root(cls, value: str) -> str:
        if not value.startswith("/"):
            raise ValueError("must begin with /")
        return value

    def fingerprint(self, unit: EndpointUnitDescriptor, config: OneDriveConfig) -> str:
        """Changes when rows that were read before must be read again: another part of the drives, other columns.

        Which drives does not belong to it: each has its own link, and one that was not read before has none.
        """
        return fingerprint(config.base_url, self.roots(config), columns_fingerprint(unit))

    def roots(self, config: OneDriveConfig) -> tuple[str, ...]:
        """Paths that a row must be at or below, in the service's way of comparing names; none for everything."""
        both = {one.rstrip("/").casefold() for one in (config.root_path, self.root_path)} - {""}
        return tuple(sorted(one if one.startswith("/") else f"/{one}" for one in both))


def is_inside(path: str, roots: tuple[str, ...]) -> bool:
    """True at or below every root. Names are compared without case, as the service does."""
    folded = path.casefold() if roots else ""
    return all(folded == root or folded.startswith(f"{root}/") for root in roots)


def scope_of(unit: EndpointUnitDescriptor, policy: UnitPolicy) -> DriveScope:
    """The policy's selection.

    Raises:
        FilterNotSupportedError: Predicates on columns, an unknown selector or a value of the wrong kind.
            ``updatedFrom`` is one: a moved or renamed item need not be modified, so rows would be missing.
    """
    known = SELECTORS if unit.dataset.name != "drive" else SELECTORS[:1]
    if policy.filter:
        raise FilterNotSupportedError(
            f"{unit.unit_id} cannot be filtered by columns", f"Use selectors: {', '.join(known)}."
        )
    if unknown := [name for name in policy.selectors if name not in known]:
        why = ": moves and renames need not change the moment" if unknown[0] == "updatedFrom" else ""
        raise FilterNotSupportedError(
            f"{unit.unit_id} has no selector {unknown[0]!r}{why}",
            f"There are {', '.join(known)}; leave out the others.",
            unit_id=unit.unit_id,
        )
    return read_selectors(DriveScope, unit, policy)
