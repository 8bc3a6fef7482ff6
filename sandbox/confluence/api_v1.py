"""Questions and answers of REST v1 that ingestion may need. Source: Confluence Cloud REST API v1 reference.

Measured by others: ``limit`` above 1000 is clamped and echoed; ``start`` above 100000 is 400; searches have cursors
only and ignore ``start``; links to the next page are relative to ``_links.base``; bodies lower the page to 50.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sandbox.confluence.bodies import storage
from sandbox.confluence.cql import CqlError, CqlParser, Indexed
from sandbox.confluence.records import ContentRecord, as_json, stamp
from sandbox.confluence.truth import listed_attachments, listed_comments, listed_content, space_of
from sandbox.http_service import HttpReply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.confluence.records import Json
    from sandbox.confluence.server import ConfluenceFaults
    from sandbox.confluence.site import ConfluenceSite
    from sandbox.http_service import Parameters

API = "/wiki/rest/api"
_OPERATIONS = ("read", "update")


def failed_v1(status: int, message: str) -> HttpReply:
    """A refusal in v1's shape."""
    data = {"authorized": status not in {401, 403}, "valid": status != 400, "errors": [], "successful": False}
    return HttpReply(as_json({"statusCode": status, "data": data, "message": message}), status)


class ConfluenceV1:
    """Everything below ``/wiki/rest/api``. Safe between threads."""

    def __init__(self, site: ConfluenceSite, faults: ConfluenceFaults) -> None:
        self.site, self.faults = site, faults

    def reply(self, method: str, path: str, query: Parameters, *, known: bool) -> HttpReply:
        """The answer; an anonymous caller (``known`` is False) gets empty lists and 404."""
        if self.faults.v1_gone:
            return failed_v1(self.faults.v1_gone_status, "This deprecated endpoint has been removed.")
        if method != "GET":
            return failed_v1(405, "Method Not Allowed")
        with self.site.lock:
            reply = self._known(path, query) if known else self._anonymous(path, query)
        if path in {"/space", "/content"}:
            reply.headers["Warning"] = '299 - "Deprecated API"'
        return reply

    def _anonymous(self, path: str, query: Parameters) -> HttpReply:
        if path == "/user/current":
            return HttpReply(as_json({"type": "anonymous", "displayName": "Anonymous", "profilePicture": {}}))
        if path in {"/space", "/content", "/content/search", "/search"}:
            return self._offset(path, query, [], 25)
        return failed_v1(404, "com.atlassian.confluence.api.service.exceptions.NotFoundException: not found")

    def _known(self, path: str, query: Parameters) -> HttpReply:
        if path == "/user/current":
            me = {
                "type": "known",
                "accountId": self.site.people[0],
                "accountType": "atlassian",
                "timeZone": "Asia/Tokyo",
            }
            return HttpReply(as_json(me | {"displayName": "Reader", "email": "reader@example.com"}))
        if path == "/settings/systemInfo":
            zone = {"defaultTimeZone": str(self.site.zone), "defaultLocale": "en_US", "cloudId": self.faults.cloud_id}
            return HttpReply(as_json(zone | {"siteTitle": "Confluence", "baseUrl": f"{self.site.base_url}/wiki"}))
        if path in {"/space", "/content"}:
            return self._contents(path, query)
        if path in {"/content/search", "/search"}:
            return self._search(path, query)
        match = re.fullmatch(r"/content/(\d+)(?:/(history|restriction(?:/byOperation(?:/(\w+))?)?))?", path)
        one = self.site.content.get(int(match[1])) if match else None
        if match is None or one is None or one.hidden:
            return failed_v1(404, "com.atlassian.confluence.api.service.exceptions.NotFoundException: not found")
        return self._of_content(one, match[2], match[3], query)

    def _of_content(self, one: ContentRecord, what: str | None, operation: str | None, query: Parameters) -> HttpReply:
        if what is None:
            return HttpReply(as_json(self._content(one, query)))
        if what == "history":
            return HttpReply(as_json(self._history(one)))
        if operation is not None:
            if operation not in _OPERATIONS:
                return failed_v1(400, f"no such operation: {operation}")
            return HttpReply(as_json(self._restriction(one, operation, query)))
        found = {each: self._restriction(one, each, query) for each in _OPERATIONS}
        if what.endswith("byOperation"):
            return HttpReply(as_json(found))
        body = {"results": [*found.values()], "start": 0, "limit": 100, "size": len(found), "restrictionsHash": "x"}
        return HttpReply(as_json(body | {"_links": self._links(f"/content/{one.content_id}/restriction")}))

    def _restriction(self, one: ContentRecord, operation: str, query: Parameters) -> Json:
        """Start and limit (100, "may be restricted by fixed system limits") cut the users and the groups, each.

        Both are expanded unless ``expand`` names something else; only the users have a ``totalSize``.
        """
        start, limit = _whole(query, "start", 0), min(_whole(query, "limit", 100), self.faults.restriction_limit)

        def page(kind: str) -> Json:
            held = [name for each, who, name in one.restrictions if (each, who) == (operation, kind)]
            rows = [
                {"type": "known", "accountId": name, "accountType": "atlassian"} if kind == "user"
                else {"type": "group", "id": name, "name": name.partition("-")[2]}
                for name in held[start : start + limit]
            ]  # fmt: skip
            total = {"totalSize": len(held)} if kind == "user" else {}
            return {"results": rows, "start": start, "limit": limit, "size": len(rows), **total}

        expand = _expands(query)
        kinds = [
            kind for kind in ("user", "group") if not expand or any(f"restrictions.{kind}" in one for one in expand)
        ]
        shown = {kind: page(kind) for kind in kinds}
        hidden = {kind: "" for kind in ("user", "group") if kind not in kinds}

        own = f"{self.site.base_url}{API}/content/{one.content_id}/restriction/byOperation/{operation}"
        return {
            "operation": operation, "restrictions": shown | {"_expandable": hidden},
            "_expandable": {"content": f"/rest/api/content/{one.content_id}"},
            "_links": {"self": own},
        }  # fmt: skip

    def _space(self, one: Any) -> Json:
        return {"id": one.space_id, "key": one.key, "name": one.name, "type": one.kind, "status": one.status}

    def _content(self, one: ContentRecord, query: Parameters) -> Json:
        key = self.site.spaces[one.space_id].key
        found: Json = {
            "id": str(one.content_id), "type": one.kind, "status": one.status, "title": one.title,
            "_links": {"webui": f"/spaces/{key}/pages/{one.content_id}"},
            "_expandable": {"body": "", "version": "", "space": f"/rest/api/space/{key}"},
        }  # fmt: skip
        expand = _expands(query)
        if "version" in expand:
            found["version"] = self._version(one)
        if "space" in expand:
            found["space"] = self._space(self.site.spaces[one.space_id])
        if "history" in expand:
            found["history"] = self._history(one)
        if "body.storage" in expand:
            found["body"] = {
                "storage": {"representation": "storage", "value": storage(one.last.pieces, self.site.base_url)}
            }
        return found

    def _version(self, one: ContentRecord) -> Json:
        last = one.last
        by = {"type": "known", "accountId": last.author}
        return {
            "number": last.number,
            "when": stamp(last.created_ms),
            "message": last.message,
            "minorEdit": last.minor,
            "by": by,
        }

    def _history(self, one: ContentRecord) -> Json:
        by = {"type": "known", "accountId": one.author}
        return {
            "latest": True,
            "createdBy": by,
            "createdDate": stamp(one.created_ms),
            "lastUpdated": self._version(one),
        }

    def _contents(self, path: str, query: Parameters) -> HttpReply:
        if path == "/space":
            return self._offset(path, query, [self._space(one) for one in self.site.spaces.values()], 25)
        kind, key = query.get("type", ["page"])[0], query.get("spaceKey", [None])[0]
        title, status = query.get("title", [None])[0], query.get("status", ["current"])[0]
        rows = [
            self._content(one, query)
            for one in self.site.content.values()
            if one.kind == kind and not one.hidden and status in {"any", one.status} and title in {None, one.title}
            and key in {None, self.site.spaces[one.space_id].key}
        ]  # fmt: skip
        if _whole(query, "start", 0) > 100_000:
            return failed_v1(400, "Start of this size is no longer supported")
        return self._offset(path, query, rows, 25)

    def _links(self, path: str) -> Json:
        return {"base": f"{self.site.base_url}/wiki", "context": "/wiki", "self": f"{self.site.base_url}{API}{path}"}

    def _offset(self, path: str, query: Parameters, rows: list[Any], default: int) -> HttpReply:
        start, limit = _whole(query, "start", 0), min(_whole(query, "limit", default), 1000)
        page, links = rows[start : start + limit], self._links(path)
        if start + limit < len(rows):
            more = [(name, one) for name, values in query.items() if name != "start" for one in values]
            links["next"] = f"/rest/api{path}?{urlencode([*more, ('start', start + limit)])}"
        return HttpReply(as_json({"results": page, "start": start, "limit": limit, "size": len(page), "_links": links}))

    # --- search ------------------------------------------------------------------------------------------------

    def _search(self, path: str, query: Parameters) -> HttpReply:
        cql = query.get("cql", [""])[0]
        try:
            parsed = CqlParser(self.site.zone, self.site.now).parse(cql)
        except CqlError as error:
            return failed_v1(400, str(error))
        archived = query.get("includeArchivedSpaces", ["false"])[0] == "true"
        found = [one for one in self._index(archived=archived) if parsed.test(one)]
        found.sort(key=lambda one: one.number)
        for field, down in reversed(parsed.order):
            name = {"lastmodified": "modified_ms", "created": "created_ms", "title": "title"}[field]
            found.sort(key=lambda one, name=name: getattr(one, name), reverse=down)  # type: ignore[misc]
        limit = min(_whole(query, "limit", 25), 1000)
        if any(one.startswith("body") for one in _expands(query)):
            limit = min(limit, 50)
        start = 0
        if "cursor" in query:
            try:
                start = int(base64.urlsafe_b64decode(query["cursor"][0]).decode().removeprefix("_f_"))
            except ValueError:
                return failed_v1(400, "Invalid cursor")
        rows = [self._hit(path, one, query) for one in found[start : start + limit]]
        links = self._links(path)
        if start + limit < len(found):
            cursor = base64.urlsafe_b64encode(f"_f_{start + limit}".encode()).decode()
            kept = [
                (name, one)
                for name, values in query.items()
                if name not in {"cursor", "next", "start"}
                for one in values
            ]
            links["next"] = f"/rest/api{path}?{urlencode([('next', 'true'), ('cursor', cursor), *kept])}"
        body = {"results": rows, "start": start, "limit": limit, "size": len(rows), "_links": links}
        return HttpReply(as_json(body | ({"totalSize": len(found)} if path == "/search" else {})))

    def _hit(self, path: str, one: Indexed, query: Parameters) -> Json:
        if isinstance(one.record, ContentRecord):
            content = self._content(one.record, query)
        else:
            content = {"id": one.ident, "type": one.kind, "status": "current", "title": one.title, "_links": {}}
        if path == "/content/search":
            return content
        return {
            "content": content, "title": one.title, "excerpt": "", "entityType": "content",
            "lastModified": stamp(one.modified_ms // 1000 * 1000),
        }  # fmt: skip

    def _index(self, *, archived: bool) -> Iterable[Indexed]:
        """As it was ``index_lag_s`` ago: without newer versions, but already without what is gone."""
        seen, site = self.site.now_ms - int(self.faults.index_lag_s * 1000), self.site
        closed = {one.space_id for one in site.spaces.values() if one.status == "archived"} if not archived else set()
        things: list[tuple[str, str, int, int | None, Any]] = [
            (one.kind, str(one.content_id), one.content_id, one.space_id, one)
            for one in listed_content(site)
            if one.status == "current"
        ]
        things += [
            ("attachment", one.name, one.attachment_id, space_of(site, one.container), one)
            for one in listed_attachments(site)
        ]
        things += [
            ("comment", str(one.comment_id), one.comment_id, space_of(site, one.container), one)
            for one in listed_comments(site)
        ]
        for kind, ident, number, space_id, one in things:
            versions = [each for each in one.versions if each.created_ms <= seen]
            if not versions or space_id in closed:
                continue
            key = site.spaces[space_id].key if space_id else ""
            held = getattr(one, "labels", {}).items()
            labels = frozenset(site.labels[label].name for label, at in held if at <= seen)
            last = versions[-1]
            yield Indexed(kind, ident, number, key, last.title, one.created_ms, last.created_ms, labels, one)


def _expands(query: Parameters) -> set[str]:
    return {part for value in query.get("expand", []) for part in value.split(",")}


def _whole(query: Parameters, name: str, default: int) -> int:
    value = query.get(name, [""])[0]
    return int(value) if value.isdigit() else default
