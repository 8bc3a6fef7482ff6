"""The documents family as data: spaces, items, revisions, links, access and comments of any wiki or file store.

Ids are ``cdm:doc:<entity>:<source system>:<id>``; everything after the fourth colon is the source's own id. People are
``cdm.work.user``, so that a person who works on issues and writes pages is one. An item is a page, a file, a folder or
an attachment; what it is part of is its ``parent_item_cdm_id``.
"""

from __future__ import annotations

from cdm_mappers.columns import ANY_MODEL, TIMES, column_of, comment_of, model_of_columns

_SPACE, _ITEM, _USER = "cdm.doc.space", "cdm.doc.item", "cdm.work.user"
BODY_CHARACTERS = 100_000
"""The longest ``body_text`` of an item, in characters (code points). In UTF-8 at most 400 kB, so that a batch of rows
stays small; the whole text is in the raw tables."""

DOC = (
    model_of_columns(
        "cdm.doc.access",
        "Who may do what with an item, or with everything in a space",
        column_of("scope", "string", "space or item"),
        column_of("space_cdm_id", "string", "The space, or the space of the item where it is known", _SPACE),
        column_of("item_cdm_id", "string", "The item; empty for a whole space", _ITEM),
        column_of("operation", "string", "What is allowed, in the source's words; empty if `roles` tell it"),
        column_of("roles", "json", "Array of text: roles that are granted"),
        column_of("target_type", "string", "Kind of things the operation is for, in the source's words"),
        column_of("principal_type", "string", "Who it is: user, group, link or the like, in the source's words"),
        column_of("principal_cdm_id", "string", "The person; empty for groups, links and others", _USER),
        column_of("principal_id", "string", "Who it is: the id at the source"),
        column_of("principal_name", "string", "Name as shown"),
        column_of("link_type", "string", "What a sharing link allows, in the source's words"),
        column_of("link_scope", "string", "For whom a sharing link works, in the source's words"),
        column_of("inherited", "bool", "Whether it comes from an item above; empty where the source does not say"),
        column_of("expires_at", "timestamptz", "When it ends; empty if never"),
    ),
    comment_of(
        "cdm.doc.comment",
        _ITEM,
        _USER,
        column_of("kind", "string", "footer or inline"),
        column_of("status", "string", "State, in the source's words", version=True),
        column_of("resolution_status", "string", "Whether it is open or resolved, in the source's words"),
        column_of("parent_comment_cdm_id", "string", "The comment it answers; empty for others", "cdm.doc.comment"),
        column_of("inline_text", "string", "The text it is attached to"),
        column_of("revision_number", "int64", "Number of the version shown", version=True),
    ),
    model_of_columns(
        _ITEM,
        "A document: a page, a file, a folder or an attachment",
        column_of("space_cdm_id", "string", "The space or drive", _SPACE, version=True),
        column_of("parent_item_cdm_id", "string", "The item it is part of", _ITEM, version=True),
        column_of("doc_type", "string", "page, blogpost, attachment, root, folder, file, package or remote"),
        column_of("mime_type", "string", "Media type of its content; empty if it has none or the source names none"),
        column_of("title", "string", "Title or name", version=True),
        column_of("status", "string", "State, in the source's words", version=True),
        column_of("created_by_cdm_id", "string", "Who made it", _USER),
        column_of("updated_by_cdm_id", "string", "Who changed it last", _USER),
        *TIMES,
        column_of("revision_number", "int64", "Number of the current revision, where they are counted", version=True),
        column_of("url", "string", "Page of the item"),
        column_of("tags", "json", "Array of text, sorted", version=True),
        column_of("path", "string", "Folders and name from the root, after `/`; empty without paths", version=True),
        column_of("size_bytes", "int64", "Size of the content"),
        column_of("body_text", "string", f"Plain text: its first {BODY_CHARACTERS} characters"),
        column_of("properties", "json", "What else the source says; `body_text_cut` is true where the text was cut"),
        column_of("raw_source", "json", "What identifies the item at its source; no texts, no download addresses"),
    ),
    model_of_columns(
        "cdm.doc.link",
        "A reference in the text of an item",
        column_of("item_cdm_id", "string", "The item with the text", _ITEM),
        column_of("kind", "string", "page, attachment, user, external, space or issue"),
        column_of("target_cdm_id", "string", "What it points at: an item, a user, an issue; may be unread", ANY_MODEL),
        column_of("target_url", "string", "Address it points at"),
        column_of("target_text", "string", "What it points at, as canonical text"),
        column_of("text", "string", "The text that is shown"),
        column_of("occurrences", "int64", "How often it occurs in the text"),
        column_of("updated_at", "timestamptz", "When the item was last changed", version=True),
    ),
    model_of_columns(
        "cdm.doc.revision",
        "A past or current state of an item",
        column_of("item_cdm_id", "string", "The item", _ITEM),
        column_of("number", "int64", "Number, counted from 1; empty if revisions have labels only"),
        column_of("label", "string", "Name of the revision at its source"),
        column_of("author_cdm_id", "string", "Who made it", _USER),
        column_of("created_at", "timestamptz", "When it was made"),
        column_of("message", "string", "What its author wrote about it"),
        column_of("minor", "bool", "Whether its author called it minor"),
        column_of("size_bytes", "int64", "Size of the content"),
    ),
    model_of_columns(
        _SPACE,
        "What items belong to: a space of a wiki, or a drive",
        column_of("source_space_key", "string", "The key people use; empty if there is none"),
        column_of("name", "string", "Name"),
        column_of("description", "string", "Plain text"),
        column_of("space_type", "string", "Kind, in the source's words"),
        column_of("status", "string", "State, in the source's words"),
        column_of("owner_cdm_id", "string", "Whose it is, or who made it", _USER),
        column_of("home_item_cdm_id", "string", "The item it opens with", _ITEM),
        column_of("created_at", "timestamptz", "When it was made"),
        column_of("updated_at", "timestamptz", "When it was last changed"),
        column_of("url", "string", "Page of the space"),
        column_of("properties", "json", "What else the source says"),
    ),
)
"""Ordered by id."""
