"""Payloads of v2 as rows: one plain object per row, in the columns of its unit."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from connectors.confluence.storage_format import links_of, text_of
from connectors.http.values import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from connectors.http.paging import Row

_CONTAINERS = (
    ("pageId", "page"),
    ("blogPostId", "blogpost"),
    ("attachmentId", "attachment"),
    ("customContentId", "custom"),
)


class PayloadRows:
    """Makes rows of payloads.

    Args:
        site_url: Of the site, without ``/wiki``.
        space_keys: Space id to key.
    """

    def __init__(self, site_url: str, space_keys: dict[str, str]) -> None:
        self._site, self._keys = site_url, space_keys

    def space(self, row: Row) -> Row:
        """A space."""
        return {
            "id": row["id"], "key": row.get("key"), "name": row.get("name"), "type": row.get("type"),
            "status": row.get("status"), "home_page_id": row.get("homepageId"), "author_id": row.get("authorId"),
            "created": row.get("createdAt"), "description": _body(row, "description", "plain"),
            "url": self._url(row), "raw": _without(row, "description"),
        }  # fmt: skip

    def page_head(self, kind: str, row: Row, labels: Sequence[str]) -> Row:
        """A page or a blog post, all but its texts."""
        version = row.get("version") or {}
        made = {
            "id": row["id"], "type": kind, "status": row.get("status"), "title": row.get("title"),
            "space_id": row.get("spaceId"), "space_key": self._keys.get(str(row.get("spaceId"))),
            "parent_id": row.get("parentId"), "parent_type": row.get("parentType"), "position": row.get("position"),
            "author_id": row.get("authorId"), "owner_id": row.get("ownerId"), "created": row.get("createdAt"),
            "version": version.get("number"), "last_modified": version.get("createdAt"),
            "version_author_id": version.get("authorId"), "version_message": version.get("message"),
            "minor_edit": version.get("minorEdit"), "labels": sorted(labels),
        }  # fmt: skip
        made["fingerprint"] = hashlib.sha256(as_json(list(made.values())).encode()).hexdigest()[:16]
        return made

    def page(self, kind: str, row: Row, labels: Sequence[str]) -> Row:
        """A page or a blog post."""
        head = self.page_head(kind, row, labels)
        body = _body(row, "body", "storage")
        head.update(body=body, body_text=text_of(body), url=self._url(row), raw=_without(row, "body"))
        return head

    def links(self, kind: str, row: Row) -> tuple[list[Row], str | None]:
        """(a row per target of the body; why the body could not be read)."""
        space = self._keys.get(str(row.get("spaceId")))
        read = links_of(_body(row, "body", "storage"), self._site, space)
        rows = [
            {
                "id": link_id(str(row["id"]), target.kind, target.target), "content_id": row["id"],
                "content_type": kind, "space_key": space, "kind": target.kind, "target": target.target,
                "target_space_key": target.space_key, "target_title": target.title, "target_id": target.target_id,
                "url": target.url, "text": read.words.get(target), "occurrences": times,
                "last_modified": (row.get("version") or {}).get("createdAt"),
            }
            for target, times in read.times.items()
        ]  # fmt: skip
        return rows, read.fault

    def comment(self, kind: str, row: Row, container: tuple[str | None, str | None]) -> Row:
        """A comment; ``container`` is its id and kind."""
        version, body = row.get("version") or {}, _body(row, "body", "storage")
        properties = row.get("properties") or {}
        return {
            "id": row["id"], "kind": kind, "status": row.get("status"), "title": row.get("title"),
            "container_id": container[0], "container_type": container[1], "parent_id": row.get("parentCommentId"),
            "version": version.get("number"), "last_modified": version.get("createdAt"),
            "author_id": version.get("authorId"), "resolution_status": row.get("resolutionStatus"),
            "inline_text": properties.get("inlineOriginalSelection", properties.get("inline-original-selection")),
            "body": body, "body_text": text_of(body), "url": self._url(row),
            "raw": _without(row, "body"),
        }  # fmt: skip

    def attachment(self, row: Row) -> Row:
        """A file."""
        version, (number, kind) = row.get("version") or {}, container_of(row)
        return {
            "id": row["id"], "status": row.get("status"), "title": row.get("title"), "container_id": number,
            "container_type": kind, "media_type": row.get("mediaType"), "comment": row.get("comment"),
            "file_id": row.get("fileId"), "file_size": row.get("fileSize"), "created": row.get("createdAt"),
            "version": version.get("number"), "last_modified": version.get("createdAt"),
            "version_author_id": version.get("authorId"), "download_url": self._below_wiki(row.get("downloadLink")),
            "url": self._url(row), "raw": row,
        }  # fmt: skip

    def _url(self, row: Row) -> str | None:
        return self._below_wiki((row.get("_links") or {}).get("webui"))

    def _below_wiki(self, link: Any) -> str | None:
        return f"{self._site}/wiki{link}" if link else None


def version(content_id: str, kind: str, row: Row) -> Row:
    """A version of a page or a blog post."""
    return {
        "id": f"{content_id}:{row['number']}", "content_id": content_id, "content_type": kind,
        "number": row["number"], "message": row.get("message"), "minor_edit": row.get("minorEdit"),
        "author_id": row.get("authorId"), "created": row.get("createdAt"),
    }  # fmt: skip


def label(content_id: str, kind: str, row: Row) -> Row:
    """A label on something."""
    return {
        "id": f"{content_id}:{row['id']}", "label_id": row["id"], "name": row.get("name"),
        "prefix": row.get("prefix"), "content_id": content_id, "content_type": kind,
    }  # fmt: skip


def space_permission(space_id: str, row: Row) -> Row:
    """A permission on a space."""
    principal, operation = row.get("principal") or {}, row.get("operation") or {}
    return {
        "id": f"space:{space_id}:{row['id']}", "scope": "space", "space_id": space_id, "content_id": None,
        "operation": operation.get("key"), "target_type": operation.get("targetType"),
        "principal_type": principal.get("type"), "principal_id": principal.get("id"),
    }  # fmt: skip


def restrictions(content_id: str, kind: str, space_id: str, held: dict[str, Any]) -> Iterator[Row]:
    """Rows of one content's restrictions; ``held`` is operation to (principal type, id)."""
    for operation, principals in sorted(held.items()):
        for who, name in sorted(principals):
            yield {
                "id": f"content:{content_id}:{operation}:{who}:{name}", "scope": "content", "space_id": space_id,
                "content_id": content_id, "operation": operation, "target_type": kind, "principal_type": who,
                "principal_id": name,
            }  # fmt: skip


def link_id(content_id: str, kind: str, target: str) -> str:
    """The same for the same target of the same content."""
    return f"{content_id}:{hashlib.sha256(f'{kind} {target}'.encode('utf-8', 'replace')).hexdigest()[:16]}"


def container_of(row: Row) -> tuple[str | None, str | None]:
    """(id, kind) of what a comment or a file hangs on; a reply may not say."""
    found = [(str(row[name]), kind) for name, kind in _CONTAINERS if row.get(name) is not None]
    return found[0] if found else (None, None)


def _body(row: Row, name: str, form: str) -> str | None:
    value = ((row.get(name) or {}).get(form) or {}).get("value")
    return value if isinstance(value, str) else None


def _without(row: Row, name: str) -> Row:
    return {key: value for key, value in row.items() if key != name}
