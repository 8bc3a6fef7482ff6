"""Questions and answers of REST v2, over a site. Source: Confluence Cloud REST API v2 reference (OpenAPI document)."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from sandbox.confluence.lists_v2 import ContentLists
from sandbox.confluence.paging import KeysetPager, RefusedV2, chosen, failed_v2
from sandbox.confluence.records import as_json
from sandbox.confluence.truth import LISTED, space_of
from sandbox.http_service import HttpReply

if TYPE_CHECKING:
    from sandbox.confluence.records import AttachmentRecord, CommentRecord, ContentRecord
    from sandbox.confluence.server import ConfluenceFaults
    from sandbox.confluence.site import ConfluenceSite
    from sandbox.http_service import Parameters

API = "/wiki/api/v2"
_KINDS = {"pages": "page", "blogposts": "blogpost"}
_LISTS = frozenset({
    "/spaces", "/pages", "/blogposts", "/attachments", "/footer-comments", "/inline-comments", "/labels",
})  # fmt: skip
_ONE = re.compile(
    r"/(spaces|pages|blogposts|attachments|footer-comments|inline-comments|labels)/([^/]+)(?:/([a-z-]+))?"
)


class ConfluenceV2:
    """Everything below ``/wiki/api/v2``. Safe between threads."""

    def __init__(self, site: ConfluenceSite, faults: ConfluenceFaults) -> None:
        self.site, self.faults = site, faults
        self.lists = ContentLists(site, faults, KeysetPager(site, faults))

    def reply(
        self, method: str, path: str, query: Parameters, body: bytes, *, known: bool, link_path: str
    ) -> HttpReply:
        """The answer; an anonymous caller (``known`` is False) gets empty lists and 404.

        Args:
            method: Of HTTP.
            path: Below the API's prefix.
            query: Unknown parameters are ignored.
            body: Of a POST.
            known: Whether the caller is logged in.
            link_path: The path that links to the next page have.
        """
        try:
            with self.site.lock:
                if not known:
                    return self._anonymous(path, query, link_path)
                return self._known(method, path, query, body, link_path)
        except RefusedV2 as refused:
            return refused.reply

    def _public(self, path: str, query: Parameters, link_path: str) -> HttpReply | None:
        """The part of a list that anybody may see."""
        public = [one for one in self.site.spaces.values() if one.key in self.faults.public_spaces]
        only = {"/spaces": "keys", "/pages": "space-id", "/blogposts": "space-id"}.get(path)
        if not public or only is None:
            return None
        values = [one.key if only == "keys" else str(one.space_id) for one in public]
        return self.lists.top(path[1:], link_path, query | {only: values})

    def _anonymous(self, path: str, query: Parameters, link_path: str) -> HttpReply:
        match = _ONE.fullmatch(path)
        if path in _LISTS or (match and match.group(3)):
            base = f"{self.site.base_url}/wiki"
            empty = HttpReply(
                as_json({"results": [], "_links": {"base": base}}), 200, {"Link": f'<{base}>; rel="base"'}
            )
            return self._public(path, query, link_path) or empty
        return failed_v2(404, "Not Found")

    def _known(self, method: str, path: str, query: Parameters, body: bytes, link_path: str) -> HttpReply:
        if method != "GET":
            bulk = (method, path) == ("POST", "/users-bulk")
            return self._users(body) if bulk else failed_v2(405, "Method Not Allowed")
        if path in _LISTS:
            return self.lists.top(path[1:], link_path, query)
        match = _ONE.fullmatch(path)
        if not match:
            return failed_v2(404, "Not Found")
        collection, name, below = match.groups()
        answers = {"spaces": self._space, "attachments": self._attachment, "labels": self._label}
        if collection in answers:
            return answers[collection](name, below, query, link_path)
        if collection in _KINDS:
            return self._content(_KINDS[collection], name, below, query, link_path)
        return self._comment(collection.partition("-")[0], name, below, query, link_path)

    def _users(self, body: bytes) -> HttpReply:
        try:
            accounts = json.loads(body)["accountIds"]
        except (ValueError, KeyError, TypeError):
            accounts = None
        if not isinstance(accounts, list) or not 1 <= len(accounts) <= 250:
            return failed_v2(400, "accountIds must hold 1 to 250 ids")
        known = [self.site.person(one) for one in accounts if one in self.site.people]
        return HttpReply(as_json({"results": known}))

    def _space(self, name: str, below: str | None, query: Parameters, link_path: str) -> HttpReply:
        space = self.site.spaces.get(_number(name))
        if space is None:
            return failed_v2(404, "Not Found", "Unable to find space")
        if below is None:
            form = chosen(query, "description-format", ("plain", "view"), None)
            return self._one(self.lists.payloads.space(space, form))
        if below in _KINDS:
            return self.lists.content(_KINDS[below], link_path, query, space=space.space_id)
        if below == "permissions":
            return self.lists.permissions(link_path, query, space)
        if below == "labels":
            return self.lists.labels_of(link_path, query, space.labels)
        return failed_v2(404, "Not Found")

    def _content(self, kind: str, name: str, below: str | None, query: Parameters, link_path: str) -> HttpReply:
        one = self.site.content.get(_number(name))
        if one is None or one.kind != kind or one.hidden:
            return failed_v2(404, "Not Found", f"Unable to find {kind} {name}")
        if below is None:
            return self._single(one, query)
        return self._of_content(one, below, query, link_path)

    def _of_content(self, one: ContentRecord, below: str, query: Parameters, link_path: str) -> HttpReply:
        lists, kind = self.lists, one.kind
        if below == "versions":
            return lists.versions(link_path, query, kind, str(one.content_id), one.versions)
        if below == "labels":
            return lists.labels_of(link_path, query, one.labels)
        if below == "attachments":
            return lists.attachments(link_path, query, container=(kind, one.content_id))
        if below in {"footer-comments", "inline-comments"}:
            return lists.comments(below.partition("-")[0], link_path, query, container=(kind, one.content_id))
        if below == "children" and kind == "page":
            return lists.children(link_path, query, one)
        return failed_v2(404, "Not Found")

    def _single(self, one: ContentRecord, query: Parameters) -> HttpReply:
        form, payloads = self.lists.form(query, ("storage", "atlas_doc_format", "view")), self.lists.payloads
        if form and str(one.content_id) in self.faults.broken_ids:
            return failed_v2(500, "Internal Server Error")
        wanted = query.get("version", [None])[0]
        if one.status not in {*LISTED, "trashed"} and query.get("get-draft", ["false"])[0] != "true":
            return failed_v2(404, "Not Found")
        shown = one.last
        if wanted is not None:
            found = [each for each in one.versions if str(each.number) == wanted]
            if not found:
                return failed_v2(404, "Not Found", f"Version {wanted} not found")
            shown = found[0]
        payload = payloads.content(one, form, shown)
        embedded: dict[str, list[Any]] = {
            "labels": [payloads.label(self.site.labels[label]) for label in one.labels],
            "versions": [payloads.of_version(each, one.kind, str(one.content_id), None) for each in one.versions[::-1]],
        }
        for what, rows in embedded.items():
            if query.get(f"include-{what}", ["false"])[0] == "true":
                own = f"{API}/{one.kind}s/{one.content_id}/{what}"
                more = len(rows) > 50
                payload[what] = {"results": rows[:50], "meta": {"hasMore": more}, "_links": {"self": own}}
        return self._one(payload)

    def _attachment(self, name: str, below: str | None, query: Parameters, link_path: str) -> HttpReply:
        one = self.site.attachments.get(_number(name.removeprefix("att")))
        if one is None or space_of(self.site, one.container) is None:
            return failed_v2(404, "Not Found", f"Unable to find attachment {name}")
        return self._of_attachment(one, below, query, link_path)

    def _of_attachment(self, one: AttachmentRecord, below: str | None, query: Parameters, link_path: str) -> HttpReply:
        if below is None:
            return self._one(self.lists.payloads.attachment(one))
        if below == "versions":
            return self.lists.versions(link_path, query, "attachment", one.name, one.versions)
        if below == "labels":
            return self.lists.labels_of(link_path, query, one.labels)
        if below == "footer-comments":
            return self.lists.comments("footer", link_path, query, container=("attachment", one.attachment_id))
        return failed_v2(404, "Not Found")

    def _label(self, name: str, below: str | None, query: Parameters, link_path: str) -> HttpReply:
        label = self.site.labels.get(_number(name))
        if label is None or below not in {*_KINDS, "attachments"}:
            return failed_v2(404, "Not Found")
        if below == "attachments":
            return self.lists.attachments(link_path, query, label=label.label_id)
        return self.lists.content(_KINDS[below], link_path, query, label=label.label_id)

    def _comment(self, kind: str, name: str, below: str | None, query: Parameters, link_path: str) -> HttpReply:
        one: CommentRecord | None = self.site.comments.get(_number(name))
        if one is None or one.kind != kind or space_of(self.site, one.container) is None:
            return failed_v2(404, "Not Found", f"Unable to find comment {name}")
        if below is None:
            return self._one(self.lists.payloads.comment(one, self.lists.form(query)))
        if below == "children":
            return self.lists.comments(kind, link_path, query, parent=one.comment_id)
        if below == "versions":
            return self.lists.versions(link_path, query, "comment", name, one.versions)
        return failed_v2(404, "Not Found")

    def _one(self, payload: dict[str, Any]) -> HttpReply:
        links = payload.get("_links", {}) | {"base": f"{self.site.base_url}/wiki"}
        return HttpReply(as_json(payload | {"_links": links}))


def _number(name: str) -> int:
    """Raises RefusedV2 for what is no number."""
    if not name.isascii() or not name.isdigit():
        raise RefusedV2(400, "Provided value for 'id' is not the correct type. Expected type is Long.")
    return int(name)
