"""Maps OneDrive rows to the documents family with polars expressions only; a missing column counts as null.

The source's own ids name the drive too (``<drive id>:<item id>``), and so do those of the model. A drive's feed has
no texts: ``body_text`` is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdm_mappers.row import SourceRow

if TYPE_CHECKING:
    from contracts.mapping import MapContext

_ITEM_KEYS = ("id", "drive_id", "item_id", "parent_id", "etag", "ctag", "quick_xor_hash",
              "remote_drive_id", "remote_item_id")  # fmt: skip


def drive(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``onedrive.drive`` to ``cdm.doc.space``; an owner that is no user (a group, a site) is among the properties."""
    row = _row(frame, context)
    return row.mapped(
        "cdm.doc.space",
        {
            "cdm_id": row.cdm("space", "id"),
            "source_id": row["id"],
            **row.same("name", "description", "url"),
            "space_type": row["drive_type"],
            "owner_cdm_id": pl.when(row["owner_type"] == "user").then(row.person("owner_id")),
            "created_at": row["created"],
            "updated_at": row["last_modified"],
            "properties": row.json_of(row.same("owner_type", "owner_id", "owner_name", "quota_total", "quota_used")),
        },
    )


def item(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``onedrive.item`` to ``cdm.doc.item``."""
    row = _row(frame, context)
    return row.mapped(
        "cdm.doc.item",
        {
            "cdm_id": row.cdm("item", "id"),
            "source_id": row["id"],
            "space_cdm_id": row.cdm("space", "drive_id"),
            "parent_item_cdm_id": row.cdm("item", "drive_id", "parent_id"),
            "doc_type": row["kind"],
            "title": row["name"],
            **row.same("mime_type", "path", "url"),
            "created_by_cdm_id": row.person("created_by_id"),
            "updated_by_cdm_id": row.person("last_modified_by_id"),
            "created_at": row["created"],
            "updated_at": row["last_modified"],
            "size_bytes": row["size"],
            "properties": row.json_of(row.same("created_by_name", "last_modified_by_name", "child_count", "shared")),
            "raw_source": row.json_object(_ITEM_KEYS),
        },
    )


def version(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``onedrive.version`` to ``cdm.doc.revision``; revisions have labels (``3.0``), not numbers."""
    row = _row(frame, context)
    return row.mapped(
        "cdm.doc.revision",
        {
            "cdm_id": row.cdm("revision", "id"),
            "source_id": row["id"],
            "item_cdm_id": row.cdm("item", "drive_id", "item_id"),
            "label": row["version_id"],
            "author_cdm_id": row.person("last_modified_by_id"),
            "created_at": row["last_modified"],
            "size_bytes": row["size"],
        },
    )


def permission(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``onedrive.permission`` to ``cdm.doc.access``; what is not inherited is said to be so by no field of the API."""
    row = _row(frame, context)
    user = row["principal_type"] == "user"
    return row.mapped(
        "cdm.doc.access",
        {
            "cdm_id": row.cdm("access", "id"),
            "source_id": row["id"],
            "scope": pl.lit("item"),
            "space_cdm_id": row.cdm("space", "drive_id"),
            "item_cdm_id": row.cdm("item", "drive_id", "item_id"),
            **row.same("roles", "principal_type", "principal_id", "principal_name", "link_type", "link_scope"),
            "principal_cdm_id": pl.when(user).then(row.person("principal_id")),
            "inherited": pl.when(row["inherited_from_id"].is_not_null()).then(pl.lit(value=True)),
            "expires_at": row["expires"],
        },
    )


def _row(frame: pl.LazyFrame, context: MapContext) -> SourceRow:
    return SourceRow(frame, context, "doc")
