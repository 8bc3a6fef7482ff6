"""Rows of documents as their units stage them: datasets by unit, and rows with every column filled."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from contracts.catalog import ColumnDescriptor, DatasetDescriptor

SPECS = {
    "confluence.space": "id key name type status home_page_id author_id created:timestamptz description url raw:json",
    "confluence.page": (
        "id type status title space_id space_key parent_id parent_type position:int64 author_id owner_id "
        "created:timestamptz version:int64 last_modified:timestamptz version_author_id version_message minor_edit:bool "
        "labels:json body body_text url raw:json"
    ),
    "confluence.comment": (
        "id kind status title container_id container_type parent_id version:int64 last_modified:timestamptz author_id "
        "resolution_status inline_text body body_text url raw:json"
    ),
    "confluence.attachment": (
        "id status title container_id container_type media_type comment file_id file_size:int64 created:timestamptz "
        "version:int64 last_modified:timestamptz version_author_id download_url url raw:json"
    ),
    "confluence.version": (
        "id content_id content_type number:int64 message minor_edit:bool author_id created:timestamptz"
    ),
    "confluence.link": (
        "id content_id content_type space_key kind target target_space_key target_title target_id url text "
        "occurrences:int64 last_modified:timestamptz"
    ),
    "confluence.acl": "id scope space_id content_id operation target_type principal_type principal_id",
    "onedrive.drive": (
        "id name drive_type description owner_id owner_name owner_type created:timestamptz last_modified:timestamptz "
        "quota_total:int64 quota_used:int64 url raw:json"
    ),
    "onedrive.item": (
        "id drive_id item_id name kind path parent_id size:int64 mime_type quick_xor_hash created:timestamptz "
        "created_by_id created_by_name last_modified:timestamptz last_modified_by_id last_modified_by_name etag ctag "
        "child_count:int64 shared:bool remote_drive_id remote_item_id url raw:json"
    ),
    "onedrive.version": (
        "id drive_id item_id version_id size:int64 last_modified:timestamptz last_modified_by_id "
        "last_modified_by_name raw:json"
    ),
    "onedrive.permission": (
        "id drive_id item_id permission_id roles:json principal_type principal_id principal_name link_type link_scope "
        "inherited_from_id expires:timestamptz raw:json"
    ),
}
"""Columns of each unit, as the connectors stage them."""
AT = datetime(2026, 11, 1, 2, 3, 4, 567_000, tzinfo=UTC)
_VALUES = {"int64": 7, "bool": True, "timestamptz": AT, "json": '["a","b"]'}


def dataset_of(kind: str) -> DatasetDescriptor:
    """The dataset of a unit kind such as ``confluence.page``."""
    vendor, _, name = kind.partition(".")
    parts = (word.partition(":") for word in SPECS[kind].split())
    columns = tuple(
        ColumnDescriptor(name=column, logical_type=logical or "string", declared_type=logical or "string")
        for column, _, logical in parts
    )
    return DatasetDescriptor(
        dataset_id=kind, kind="entity", namespace=vendor, name=name, columns=columns, primary_key=("id",)
    )


def row_of(unit: str, identity: str, /, **given: Any) -> dict[str, Any]:
    """A row with a value in every column; texts are ``<column> "é"`` with the row's id, which JSON must escape."""
    row = {
        column.name: _VALUES.get(column.logical_type, f'{column.name} "é" {identity}')
        for column in dataset_of(unit).columns
    }
    return {**row, "id": identity, **given}
