"""What drives hold: datasets with their columns, which are the units too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connectors.http import units as http_units
from connectors.http.units import ApiUnit, Column
from contracts.unit import UnitPolicy

if TYPE_CHECKING:
    from contracts.catalog import CatalogSnapshot, DatasetDescriptor
    from contracts.unit import EndpointUnitDescriptor

VENDOR = "onedrive"


class DriveUnit(ApiUnit):
    """Rows of drives. Any column but the key may lack a value: changes are told by the feed, not by a moment."""

    @property
    def required(self) -> tuple[str, ...]:
        """The key."""
        return self.primary_key


def _unit(name: str, columns: str, description: str, cdm_model_id: str) -> DriveUnit:
    """``name:type`` words; a bare name is a string."""
    parts = (word.partition(":") for word in columns.split())
    made = tuple(Column(column, kind or "string") for column, _, kind in parts)
    return DriveUnit(name, f"{VENDOR}.{name}", made, ("id",), cdm_model_id=cdm_model_id, description=description)


DRIVE = _unit(
    "drive",
    "id name drive_type description owner_id owner_name owner_type created:timestamptz last_modified:timestamptz "
    "quota_total:int64 quota_used:int64 url raw:json",
    "A drive: a person's OneDrive or a document library",
    "cdm.doc.space",
)
ITEM = replace(
    _unit(
        "item",
        "id drive_id item_id name kind path parent_id size:int64 mime_type quick_xor_hash created:timestamptz "
        "created_by_id created_by_name last_modified:timestamptz last_modified_by_id last_modified_by_name etag ctag "
        "child_count:int64 shared:bool remote_drive_id remote_item_id url raw:json",
        "A file or folder, with the path derived from ids",
        "cdm.doc.item",
    ),
    cursor="last_modified",
)
VERSION = replace(
    _unit(
        "version",
        "id drive_id item_id version_id size:int64 last_modified:timestamptz last_modified_by_id "
        "last_modified_by_name raw:json",
        "A version of a file",
        "cdm.doc.revision",
    ),
    cursor="last_modified",
)
PERMISSION = _unit(
    "permission",
    "id drive_id item_id permission_id roles:json principal_type principal_id principal_name link_type link_scope "
    "inherited_from_id expires:timestamptz raw:json",
    "A permission in force on an item, inherited ones too",
    "cdm.doc.access",
)
UNITS = (DRIVE, ITEM, VERSION, PERMISSION)
_BY_FEED = frozenset({"item", "version", "permission"})


def is_by_feed(dataset: DatasetDescriptor) -> bool:
    """True for what changes with the drives' feeds; drives themselves are listed in full."""
    return dataset.name in _BY_FEED


def is_of_items(dataset: DatasetDescriptor) -> bool:
    """True for what hangs on items: it is asked for item by item."""
    return dataset.name in {"version", "permission"}


def datasets(source_system: str) -> tuple[DatasetDescriptor, ...]:
    """All datasets, ordered by id."""
    return http_units.datasets(VENDOR, source_system, UNITS)


def units_of(catalog: CatalogSnapshot, parallel: int) -> tuple[EndpointUnitDescriptor, ...]:
    """One unit per dataset. Permissions have no moment of change, but the feed names their items."""
    made = http_units.units_of(catalog, VENDOR, UNITS, UnitPolicy(parallel_slices=parallel))
    return tuple(
        one.model_copy(update={"supported_modes": ("full", "incremental")}) if is_by_feed(one.dataset) else one
        for one in made
    )
