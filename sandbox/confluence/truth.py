"""What a reader ought to have, as plain values in the columns agreed for Confluence's units.

Not in it: drafts, what is in the trash or deleted, what the account may not see, and what hangs on such content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.confluence.bodies import links, storage
from sandbox.confluence.records import AttachmentRecord, ContentRecord, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.confluence.records import CommentRecord, ContentVersion, Json
    from sandbox.confluence.site import ConfluenceSite

LISTED = ("current", "archived")


def listed_content(site: ConfluenceSite) -> Iterator[ContentRecord]:
    """Pages and blog posts that lists show by default."""
    return (one for one in site.content.values() if one.status in LISTED and not one.hidden)


def space_of(site: ConfluenceSite, container: tuple[str, int]) -> int | None:
    """The space that something hangs in, when its container is listed; 0 for custom content."""
    kind, number = container
    if kind == "custom":
        return 0
    if kind == "attachment":
        file = site.attachments.get(number)
        return space_of(site, file.container) if file and file.status in LISTED else None
    home = site.content.get(number)
    return home.space_id if home and home.status in LISTED and not home.hidden else None


def listed_attachments(site: ConfluenceSite) -> Iterator[AttachmentRecord]:
    """Attachments that lists show by default."""
    files = site.attachments.values()
    return (one for one in files if one.status in LISTED and space_of(site, one.container) is not None)


def listed_comments(site: ConfluenceSite) -> Iterator[CommentRecord]:
    """Comments of content that is listed."""
    return (one for one in site.comments.values() if space_of(site, one.container) is not None)


def _inside(site: ConfluenceSite, container: tuple[str, int], chosen: set[int]) -> bool:
    found = space_of(site, container)
    return found in chosen or (found == 0 and len(chosen) == len(site.spaces))


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _container(container: tuple[str, int]) -> Json:
    kind, number = container
    return {"container_id": f"att{number}" if kind == "attachment" else str(number), "container_type": kind}


def _spaces(site: ConfluenceSite, chosen: set[int]) -> dict[Any, Json]:
    return {
        str(one.space_id): {
            "id": str(one.space_id), "key": one.key, "name": one.name, "type": one.kind, "status": one.status,
            "home_page_id": _text(one.home_id), "author_id": one.author, "created": moment(one.created_ms),
            "description": one.description,
        }
        for one in site.spaces.values()
        if one.space_id in chosen
    }  # fmt: skip


def _content(site: ConfluenceSite, chosen: set[int]) -> Iterator[ContentRecord]:
    return (one for one in listed_content(site) if one.space_id in chosen)


def _pages(site: ConfluenceSite, chosen: set[int]) -> dict[Any, Json]:
    return {
        str(one.content_id): {
            "id": str(one.content_id), "type": one.kind, "status": one.status, "title": one.title,
            "space_id": str(one.space_id), "space_key": site.spaces[one.space_id].key,
            "parent_id": _text(one.parent_id), "parent_type": one.parent_type, "position": one.position,
            "author_id": one.author, "owner_id": one.owner if one.kind == "page" else None,
            "created": moment(one.created_ms), "version": one.last.number,
            "last_modified": moment(one.last.created_ms), "version_author_id": one.last.author,
            "version_message": one.last.message, "minor_edit": one.last.minor,
            "labels": sorted(site.labels[label].name for label in one.labels),
            "body": storage(one.last.pieces, site.base_url),
        }
        for one in _content(site, chosen)
    }  # fmt: skip


def _comments(site: ConfluenceSite, chosen: set[int]) -> dict[Any, Json]:
    return {
        str(one.comment_id): {
            "id": str(one.comment_id), "kind": one.kind, "status": "current", "title": one.last.title,
            **_container(one.container), "parent_id": _text(one.parent_id), "version": one.last.number,
            "last_modified": moment(one.last.created_ms), "author_id": one.last.author,
            "resolution_status": one.resolution, "inline_text": one.selection,
            "body": storage(one.last.pieces, site.base_url),
        }
        for one in listed_comments(site)
        if _inside(site, one.container, chosen)
    }  # fmt: skip


def _files(site: ConfluenceSite, chosen: set[int]) -> Iterator[AttachmentRecord]:
    return (one for one in listed_attachments(site) if _inside(site, one.container, chosen))


def _attachments(site: ConfluenceSite, chosen: set[int]) -> dict[Any, Json]:
    return {
        one.name: {
            "id": one.name, "status": one.status, "title": one.last.title, **_container(one.container),
            "media_type": one.media_type, "comment": one.last.message, "file_id": one.file_id, "file_size": one.size,
            "created": moment(one.created_ms), "version": one.last.number,
            "last_modified": moment(one.last.created_ms), "version_author_id": one.last.author,
        }
        for one in _files(site, chosen)
    }  # fmt: skip


def _things(site: ConfluenceSite, chosen: set[int]) -> Iterator[tuple[str, str, ContentRecord | AttachmentRecord]]:
    for page in _content(site, chosen):
        yield str(page.content_id), page.kind, page
    for file in _files(site, chosen):
        yield file.name, "attachment", file


def _version(name: str, kind: str, one: ContentVersion) -> Json:
    return {
        "id": f"{name}:{one.number}", "content_id": name, "content_type": kind, "number": one.number,
        "message": one.message, "minor_edit": one.minor, "author_id": one.author, "created": moment(one.created_ms),
    }  # fmt: skip


def _versions(site: ConfluenceSite, chosen: set[int]) -> dict[Any, Json]:
    rows = (_version(name, kind, one) for name, kind, thing in _things(site, chosen) for one in thing.versions)
    return {row["id"]: row for row in rows}


def _labels(site: ConfluenceSite, chosen: set[int]) -> dict[Any, Json]:
    rows = (
        {
            "id": f"{name}:{label}", "label_id": str(label), "name": site.labels[label].name,
            "prefix": site.labels[label].prefix, "content_id": name, "content_type": kind,
        }
        for name, kind, thing in _things(site, chosen)
        for label in thing.labels
    )  # fmt: skip
    return {row["id"]: row for row in rows}


def _links(site: ConfluenceSite, chosen: set[int]) -> dict[Any, Json]:
    found: dict[Any, Json] = {}
    for one in _content(site, chosen):
        key = site.spaces[one.space_id].key
        for (kind, target), times in links(one.last.pieces, site.base_url, key).items():
            found[str(one.content_id), kind, target] = {
                "content_id": str(one.content_id), "content_type": one.kind, "space_key": key, "kind": kind,
                "target": target, "occurrences": times, "last_modified": moment(one.last.created_ms),
            }  # fmt: skip
    return found


def _acl(site: ConfluenceSite, chosen: set[int]) -> dict[Any, Json]:
    found: dict[Any, Json] = {}
    for space in site.spaces.values():
        for ident, who, name, operation, target in space.grants if space.space_id in chosen else ():
            found[ident] = {
                "scope": "space", "space_id": str(space.space_id), "content_id": None, "operation": operation,
                "target_type": target, "principal_type": who, "principal_id": name,
            }  # fmt: skip
    for one in _content(site, chosen):
        for operation, who, name in one.restrictions:
            found[f"{one.content_id}:{operation}:{who}:{name}"] = {
                "scope": "content", "space_id": str(one.space_id), "content_id": str(one.content_id),
                "operation": operation, "target_type": one.kind, "principal_type": who, "principal_id": name,
            }  # fmt: skip
    return found


TRUTHS: dict[str, Callable[[ConfluenceSite, set[int]], dict[Any, Json]]] = {
    "space": _spaces, "page": _pages, "comment": _comments, "attachment": _attachments, "version": _versions,
    "label": _labels, "link": _links, "acl": _acl,
}  # fmt: skip
"""By unit."""
