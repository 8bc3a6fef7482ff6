"""Maps Confluence rows to the documents family with polars expressions only; a missing column counts as null.

Labels have no model of their own: an item's tags come from the page's row. A page has no path, because the site gives
ancestors by id only, and no media type: its storage format is a dialect of XHTML that has no registered one. Pages,
blog posts, attachments and folders share one range of ids, so a parent of any kind has an item's id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from cdm_mappers.row import SourceRow, bounded_body

if TYPE_CHECKING:
    from contracts.mapping import MapContext

_PAGE_KEYS = ("id", "type", "space_id", "space_key", "parent_id", "parent_type", "version")
_ATTACHMENT_KEYS = ("id", "container_id", "container_type", "file_id", "version")


def space(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``confluence.space`` to ``cdm.doc.space``; the key may change, so the id contains the space's id."""
    row = _row(frame, context)
    return row.mapped(
        "cdm.doc.space",
        {
            "cdm_id": row.cdm("space", "id"),
            "source_id": row["id"],
            "source_space_key": row["key"],
            **row.same("name", "description", "status", "url"),
            "space_type": row["type"],
            "owner_cdm_id": row.person("author_id"),
            "home_item_cdm_id": row.cdm("item", "home_page_id"),
            "created_at": row["created"],
        },
    )


def page(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``confluence.page`` (pages and blog posts) to ``cdm.doc.item``."""
    row = _row(frame, context)
    body, cut = bounded_body(row["body_text"])
    more = row.same("space_key", "parent_type", "position", "owner_id", "version_message", "minor_edit")
    return row.mapped(
        "cdm.doc.item",
        {
            "cdm_id": row.cdm("item", "id"),
            "source_id": row["id"],
            "space_cdm_id": row.cdm("space", "space_id"),
            "parent_item_cdm_id": row.cdm("item", "parent_id"),
            "doc_type": row["type"],
            **row.same("title", "status", "url"),
            "created_by_cdm_id": row.person("author_id"),
            "updated_by_cdm_id": row.person("version_author_id"),
            "created_at": row["created"],
            "updated_at": row["last_modified"],
            "revision_number": row["version"],
            "tags": row["labels"],
            "body_text": body,
            "properties": row.json_of({**more, **cut}),
            "raw_source": row.json_object(_PAGE_KEYS),
        },
    )


def attachment(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``confluence.attachment`` to ``cdm.doc.item``; its container is its parent, through which it has its space."""
    row = _row(frame, context)
    return row.mapped(
        "cdm.doc.item",
        {
            "cdm_id": row.cdm("item", "id"),
            "source_id": row["id"],
            "parent_item_cdm_id": row.cdm("item", "container_id"),
            "doc_type": pl.lit("attachment"),
            "mime_type": row["media_type"],
            **row.same("title", "status", "url"),
            "updated_by_cdm_id": row.person("version_author_id"),
            "created_at": row["created"],
            "updated_at": row["last_modified"],
            "revision_number": row["version"],
            "size_bytes": row["file_size"],
            "properties": row.json_of(row.same("comment", "file_id", "container_type")),
            "raw_source": row.json_object(_ATTACHMENT_KEYS),
        },
    )


def version(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``confluence.version`` to ``cdm.doc.revision``."""
    row = _row(frame, context)
    return row.mapped(
        "cdm.doc.revision",
        {
            "cdm_id": row.cdm("revision", "id"),
            "source_id": row["id"],
            "item_cdm_id": row.cdm("item", "content_id"),
            **row.same("number", "message"),
            "label": row["number"],
            "author_cdm_id": row.person("author_id"),
            "created_at": row["created"],
            "minor": row["minor_edit"],
        },
    )


def link(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``confluence.link`` to ``cdm.doc.link``.

    An issue's target is the work item of that key in the same source system; a page's and an attachment's is known
    if the reference holds an id.
    """
    row = _row(frame, context)
    kind = row["kind"]
    return row.mapped(
        "cdm.doc.link",
        {
            "cdm_id": row.cdm("link", "id"),
            "source_id": row["id"],
            "item_cdm_id": row.cdm("item", "content_id"),
            "kind": kind,
            "target_cdm_id": pl.when(kind == "issue")
            .then(row.cdm("item", "target", family="work"))
            .when(kind == "user")
            .then(row.person("target"))
            .when(kind.is_in(["page", "attachment"]))
            .then(row.cdm("item", "target_id")),
            "target_url": row["url"],
            "target_text": row["target"],
            **row.same("text", "occurrences"),
            "updated_at": row["last_modified"],
            "source_url": pl.lit(None),
        },
    )


def acl(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``confluence.acl`` to ``cdm.doc.access``; a principal that is no user (group, role) has an id and no CDM id."""
    row = _row(frame, context)
    user = row["principal_type"] == "user"
    return row.mapped(
        "cdm.doc.access",
        {
            "cdm_id": row.cdm("access", "id"),
            "source_id": row["id"],
            "scope": pl.when(row["scope"] == "content").then(pl.lit("item")).otherwise(row["scope"]),
            "space_cdm_id": row.cdm("space", "space_id"),
            "item_cdm_id": row.cdm("item", "content_id"),
            **row.same("operation", "target_type", "principal_type", "principal_id"),
            "principal_cdm_id": pl.when(user).then(row.person("principal_id")),
        },
    )


def comment(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
    """``confluence.comment`` to ``cdm.doc.comment``.

    The site's list has the author and the moment of the version that is shown, and no moment of creation: both are of
    the last change, ``created_at`` is null.
    """
    row = _row(frame, context)
    return row.mapped(
        "cdm.doc.comment",
        {
            "cdm_id": row.cdm("comment", "id"),
            "source_id": row["id"],
            "item_cdm_id": row.cdm("item", "container_id"),
            "parent_comment_cdm_id": row.cdm("comment", "parent_id"),
            "author_cdm_id": row.person("author_id"),
            "body": row["body_text"],
            "updated_at": row["last_modified"],
            "revision_number": row["version"],
            **row.same("kind", "status", "resolution_status", "inline_text"),
        },
    )


def _row(frame: pl.LazyFrame, context: MapContext) -> SourceRow:
    return SourceRow(frame, context, "doc")
