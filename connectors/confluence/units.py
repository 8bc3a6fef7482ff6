"""What a Confluence site holds: datasets with their columns, and which of them are units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.http import units as http_units
from connectors.http.units import ApiUnit, Column
from contracts.unit import UnitPolicy

if TYPE_CHECKING:
    from contracts.catalog import CatalogSnapshot, DatasetDescriptor
    from contracts.unit import EndpointUnitDescriptor

VENDOR = "confluence"


class ConfluenceUnit(ApiUnit):
    """A list of the site. Any column but the key may lack a value."""

    @property
    def required(self) -> tuple[str, ...]:
        """The key."""
        return self.primary_key


def _unit(name: str, columns: str, description: str, model: str | None, cursor: str | None = None) -> ConfluenceUnit:
    """``columns`` are ``name:type`` words; a bare name is a string."""
    parts = (word.partition(":") for word in columns.split())
    made = tuple(Column(each, kind or "string") for each, _, kind in parts)
    return ConfluenceUnit(
        name, f"{VENDOR}.{name}", made, ("id",), cursor=cursor, cdm_model_id=model, description=description
    )


SPACE = _unit(
    "space",
    "id key name type status home_page_id author_id created:timestamptz description url raw:json",
    "A space, archived and personal ones too",
    "cdm.doc.space",
)
PAGE = _unit(
    "page",
    "id type status title space_id space_key parent_id parent_type position:int64 author_id owner_id "
    "created:timestamptz version:int64 last_modified:timestamptz version_author_id version_message minor_edit:bool "
    "labels:json fingerprint body body_text url raw:json",
    "A page or a blog post, current or archived; what is in the trash is gone",
    "cdm.doc.item",
    "last_modified",
)
COMMENT = _unit(
    "comment",
    "id kind status title container_id container_type parent_id version:int64 last_modified:timestamptz author_id "
    "resolution_status inline_text body body_text url raw:json",
    "A comment below a page, beside its text, or a reply; its author is the one of the version shown",
    "cdm.doc.comment",
    "last_modified",
)
ATTACHMENT = _unit(
    "attachment",
    "id status title container_id container_type media_type comment file_id file_size:int64 created:timestamptz "
    "version:int64 last_modified:timestamptz version_author_id download_url url raw:json",
    "A file; what it holds is not read",
    "cdm.doc.item",
    "last_modified",
)
VERSION = _unit(
    "version",
    "id content_id content_type number:int64 message minor_edit:bool author_id created:timestamptz",
    "A version of a page or a blog post; without its body",
    "cdm.doc.revision",
    "created",
)
LINK = _unit(
    "link",
    "id content_id content_type space_key kind target target_space_key target_title target_id url text "
    "occurrences:int64 last_modified:timestamptz",
    "What the body of a page or a blog post points at, each target once",
    "cdm.doc.link",
    "last_modified",
)
LABEL = _unit(
    "label", "id label_id name prefix content_id content_type", "A label on a page, a blog post or an attachment", None
)
ACL = _unit(
    "acl",
    "id scope space_id content_id operation target_type principal_type principal_id",
    "A permission on a space, or a restriction of a page; restrictions need REST v1",
    "cdm.doc.access",
)
UNITS = (SPACE, PAGE, COMMENT, ATTACHMENT, VERSION, LINK, LABEL, ACL)
BY_CONTENT = frozenset({"page", "link", "version"})
"""Units that are found through pages and blog posts, and read by their ids."""
BY_LIST = {"comment": ("footer-comments", "inline-comments"), "attachment": ("attachments",)}
"""Units that the site lists as a whole: the lists."""


def datasets(source_system: str) -> tuple[DatasetDescriptor, ...]:
    """All datasets, ordered by id."""
    return http_units.datasets(VENDOR, source_system, UNITS)


def units_of(catalog: CatalogSnapshot, parallel: int) -> tuple[EndpointUnitDescriptor, ...]:
    """One unit per ingestable dataset of the catalog."""
    return http_units.units_of(catalog, VENDOR, UNITS, UnitPolicy(parallel_slices=parallel))
