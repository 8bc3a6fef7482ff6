"""Payloads as the v2 reference shows them. What is absent is null for every other page, and left out for the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from sandbox.confluence.bodies import storage
from sandbox.confluence.records import as_json, stamp

if TYPE_CHECKING:
    from sandbox.confluence.records import (
        AttachmentRecord,
        CommentRecord,
        ContentRecord,
        ContentVersion,
        Json,
        LabelRecord,
        SpaceRecord,
    )
    from sandbox.confluence.site import ConfluenceSite


def text(number: int | None) -> str | None:
    """Ids are text in v2."""
    return None if number is None else str(number)


def version(one: ContentVersion) -> Json:
    """The version object."""
    return {
        "number": one.number, "message": one.message, "minorEdit": one.minor, "authorId": one.author,
        "createdAt": stamp(one.created_ms),
    }  # fmt: skip


class V2Payloads:
    """Of one site."""

    def __init__(self, site: ConfluenceSite) -> None:
        self.site = site

    def body(self, one: ContentVersion, form: str | None) -> Json:
        """``{}`` unless a form is asked for; the document form is JSON in a string."""
        if form is None:
            return {}
        markup = storage(one.pieces, self.site.base_url)
        if form == "atlas_doc_format":
            words = [{"type": "paragraph", "content": [{"type": "text", "text": markup[:100]}]}] if markup else []
            markup = as_json({"type": "doc", "version": 1, "content": words}).decode()
        return {form: {"representation": form, "value": markup}}

    def space(self, one: SpaceRecord, form: str | None) -> Json:
        """SpaceBulk; the description only in the form asked for."""
        described = {form: {"representation": form, "value": one.description}} if form else None
        return {
            "id": str(one.space_id), "key": one.key, "name": one.name, "type": one.kind, "status": one.status,
            "authorId": one.author, "createdAt": stamp(one.created_ms), "homepageId": text(one.home_id),
            "description": described, "icon": None, "currentActiveAlias": one.key, "spaceOwnerId": one.author,
            "_links": {"webui": f"/spaces/{one.key}"},
        }  # fmt: skip

    def content(self, one: ContentRecord, form: str | None, shown: ContentVersion | None = None) -> Json:
        """PageBulk or BlogPostBulk; with ``shown`` an older version."""
        shown, key = shown or one.last, self.site.spaces[one.space_id].key
        found: Json = {
            "id": str(one.content_id), "status": one.status, "title": shown.title, "spaceId": str(one.space_id),
            "authorId": one.author, "createdAt": stamp(one.created_ms), "version": version(shown),
            "body": self.body(shown, form),
            "_links": {
                "webui": f"/spaces/{key}/{'pages' if one.kind == 'page' else 'blog'}/{one.content_id}",
                "editui": f"/pages/resumedraft.action?draftId={one.content_id}", "tinyui": f"/x/{one.content_id:x}",
            },
        }  # fmt: skip
        if one.kind == "page":
            found |= {
                "parentId": text(one.parent_id), "parentType": one.parent_type, "position": one.position,
                "ownerId": one.owner, "lastOwnerId": one.last_owner, "subtype": None,
            }  # fmt: skip
        return found if one.content_id % 2 else {name: value for name, value in found.items() if value is not None}

    def comment(self, one: CommentRecord, form: str | None, *, child: bool = False) -> Json:
        """FooterCommentModel or InlineCommentModel; as a child (ChildrenCommentModel) without its container."""
        kind, number = one.container
        found: Json = {
            "id": str(one.comment_id), "status": "current", "title": one.last.title,
            "version": version(one.last), "body": self.body(one.last, form),
            "_links": {"webui": f"/pages/{number}?focusedCommentId={one.comment_id}"},
        }  # fmt: skip
        if one.parent_id is not None:
            found["parentCommentId"] = str(one.parent_id)
        if not child:
            name = {
                "page": "pageId",
                "blogpost": "blogPostId",
                "attachment": "attachmentId",
                "custom": "customContentId",
            }
            found[name[kind]] = f"att{number}" if kind == "attachment" else str(number)
        if one.kind == "inline" and one.parent_id is None:
            found |= {"resolutionStatus": one.resolution, "resolutionLastModifierId": None}
            found["resolutionLastModifiedAt"] = None
            marker = f"00000000-0000-4000-8000-{one.comment_id:012d}"
            found["properties"] = {
                "inlineMarkerRef": marker, "inlineOriginalSelection": one.selection,
                "inline-marker-ref": marker, "inline-original-selection": one.selection,
            }  # fmt: skip
        return found

    def attachment(self, one: AttachmentRecord) -> Json:
        """AttachmentBulk; links are relative to ``…/wiki``."""
        kind, number = one.container
        name = {"page": "pageId", "blogpost": "blogPostId", "custom": "customContentId"}[kind]
        down = f"/download/attachments/{number}/{escape(one.last.title)}?version={one.last.number}&api=v2"
        web = f"/pages/viewpageattachments.action?pageId={number}"
        return {
            "id": one.name, "status": one.status, "title": one.last.title, "createdAt": stamp(one.created_ms),
            name: str(number), "mediaType": one.media_type, "mediaTypeDescription": "File",
            "comment": one.last.message, "fileId": one.file_id, "fileSize": one.size, "webuiLink": web,
            "downloadLink": down, "version": version(one.last), "_links": {"webui": web, "download": down},
        }  # fmt: skip

    def of_version(self, one: ContentVersion, kind: str, name: str, form: str | None) -> Json:
        """An entry of a list of versions."""
        return version(one) | {kind: {"id": name, "title": one.title, "body": self.body(one, form)}}

    def label(self, one: LabelRecord) -> Json:
        """Label."""
        return {"id": str(one.label_id), "name": one.name, "prefix": one.prefix}
