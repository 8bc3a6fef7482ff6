"""Questions and answers below ``/v1.0``. Source: Microsoft Graph REST API v1.0 reference, files."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from sandbox.http_service import HttpReply
from sandbox.onedrive.feed import PAGE, FeedOptions, SandboxFeed, ToldPage
from sandbox.onedrive.render import DriveRenderer
from sandbox.onedrive.samples import GROUPS, USERS, Json, SandboxDrive, SandboxItem
from sandbox.onedrive.site import SITE_ID, DriveSite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sandbox.http_service import Parameters

MOST = 999
GONE = ("resyncRequired", "resyncChangesApplyDifferences", "resyncChangesUploadDifferences")
NOT_DELEGATED = "/me request is only valid with delegated authentication flow."
_ROOT = r"(?:root|items/root)"
_DELTA = re.compile(rf"{_ROOT}/(?:microsoft\.graph\.)?delta(?:\(token='?(?P<token>[^']*)'?\)|\(\))?")


def as_json(value: Any) -> bytes:
    """As the service writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def failed(status: int, code: str, message: str, inner: str | None = None) -> HttpReply:
    """A refusal in Graph's shape of errors."""
    about: Json = {"date": "2026-02-10T09:00:00", "request-id": "0-1", "client-request-id": "0-1"}
    if inner is not None:
        about = {"code": inner} | about
    return HttpReply(as_json({"error": {"code": code, "message": message, "innerError": about}}), status)


class Denied(Exception):  # noqa: N818 - an answer, not an error
    """An answer other than 200."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.reply = failed(status, code, message)


class SandboxDriveApi:
    """Everything below ``/v1.0``. Safe between threads.

    Args:
        site: The data.
        url: Of the server.
    """

    def __init__(self, site: DriveSite, url: str) -> None:
        self.site, self.root = site, f"{url}/v1.0"
        self.feed = SandboxFeed(site)
        self.render = DriveRenderer(site, url)
        self.gone_after: int | None = None
        """So many pages of delta, and the next request with a token answers 410, once."""
        self.exclude_parents = False
        self._links = self._gone = 0

    def reply(
        self, method: str, target: str, body: bytes, *, delegated: bool, prefer: str = "", nested: bool = False
    ) -> HttpReply:
        """The answer to an authenticated caller; ``target`` is path and query below ``/v1.0``."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        try:
            if parts.path == "/$batch" and method == "POST" and not nested:
                return self._batch(body, delegated=delegated)
            if method != "GET":
                return failed(405, "Request_BadRequest", "Specified HTTP method is not allowed.")
            with self.site.lock:
                return self._get(parts.path, query, delegated=delegated, prefer=prefer)
        except Denied as denied:
            return denied.reply

    def sub_fault(self) -> HttpReply | None:
        """What goes wrong with one request of a batch."""
        return None

    def _get(self, path: str, query: Parameters, *, delegated: bool, prefer: str) -> HttpReply:
        if (path == "/me" or path.startswith("/me/")) and not delegated:
            raise Denied(400, "BadRequest", NOT_DELEGATED)
        if path == "/me":
            user_id, name, address = USERS[0]
            return HttpReply(as_json({"id": user_id, "displayName": name, "userPrincipalName": address}))
        if path == "/organization":
            return HttpReply(as_json({"value": [{"id": "tenant-0001", "displayName": "Contoso"}]}))
        if match := re.fullmatch(r"/drives/([^/]+)(?:/(.+))?", path):
            return self._below(self._drive(unquote(match.group(1))), match.group(2) or "", query, prefer)
        if match := re.fullmatch(r"/(me|(?:users|groups|sites)/[^/]+)/(drives?)(?:/(.+))?", path):
            found = self._of(*unquote(match.group(1)).partition("/")[::2])
            if match.group(2) == "drives":
                rows = [self.render.drive(one) for one in found if one.blocked is None]
                return self._collection(path, rows, query, PAGE)
            if not found:
                raise Denied(404, "ResourceNotFound", "User's mysite not found.")
            return self._below(self._drive(found[0].drive_id), match.group(3) or "", query, prefer)
        raise Denied(400, "BadRequest", f"Resource not found for the segment '{path.split('/')[1]}'.")

    def _of(self, kind: str, name: str) -> list[SandboxDrive]:
        """The drives of a user (by id or principal name), a group or a site."""
        drives = self.site.drives()
        if kind == "sites":
            if name not in {SITE_ID, "root"}:
                raise Denied(404, "itemNotFound", "Requested site could not be found")
            return [one for one in drives if one.site_id]
        if kind == "groups":
            if name not in {one[0] for one in GROUPS}:
                raise Denied(404, "Request_ResourceNotFound", f"Resource '{name}' does not exist.")
            return [one for one in drives if one.owner[:2] == ("group", name)]
        user = next((one for one in USERS if kind == "me" or name.lower() in {one[0], one[2]}), None)
        if user is None:
            raise Denied(404, "Request_ResourceNotFound", f"Resource '{name}' does not exist.")
        return [one for one in drives if one.owner[:2] == ("user", user[0])]

    def _drive(self, drive_id: str) -> SandboxDrive:
        try:
            drive = self.site.drive(drive_id)
        except KeyError:
            raise Denied(404, "itemNotFound", "The resource could not be found.") from None
        if drive.blocked == 403:
            raise Denied(403, "accessDenied", "Access denied")
        if drive.blocked is not None:
            raise Denied(drive.blocked, "itemNotFound", "The resource could not be found.")
        return drive

    def _below(self, drive: SandboxDrive, rest: str, query: Parameters, prefer: str) -> HttpReply:
        if rest == "":
            return HttpReply(as_json(_selected(self.render.drive(drive), _select(query))))
        if match := _DELTA.fullmatch(rest):
            token = match.group("token")
            return self._delta(drive, unquote(token) if token else None, query, prefer)
        if match := re.fullmatch(r"(?:root|items/root):/(.*?):/(children|versions|permissions)", rest):
            return self._item(self.site.at_path(drive, unquote(match.group(1))), match.group(2), rest, query)
        if match := re.fullmatch(r"(?:root|items/root):/(.*?):?", rest):
            return self._item(self.site.at_path(drive, unquote(match.group(1))), "", "", query)
        if match := re.fullmatch(rf"(?:{_ROOT}|items/([^/]+))(?:/(children|versions|permissions))?", rest):
            item = drive.items.get(unquote(match.group(1) or drive.root_id))
            return self._item(item, match.group(2) or "", rest, query)
        if re.fullmatch(r"items/[^/]+/delta.*", rest):
            raise Denied(501, "notSupported", "Delta is only supported at the root.")
        raise Denied(400, "BadRequest", f"Resource not found for the segment '{rest.rpartition('/')[2]}'.")

    def _item(self, item: SandboxItem | None, what: str, rest: str, query: Parameters) -> HttpReply:
        if item is None or item.deleted:
            raise Denied(404, "itemNotFound", "The resource could not be found.")
        drive = self.site.drive(item.drive_id)
        path = f"/drives/{quote(drive.drive_id, safe='!')}/{rest}"
        _check_expand(query)
        if what == "":
            return HttpReply(as_json(_selected(self.render.item(item), _select(query))))
        if what == "children":
            return self._collection(path, self.site.children(drive, item), query, PAGE, self.render.item)
        return self._versions(item, path, query) if what == "versions" else self._permissions(item, path, query)

    def _versions(self, item: SandboxItem, path: str, query: Parameters) -> HttpReply:
        """Newest first; "$orderby is not supported"."""
        if "$orderby" in query:
            raise Denied(400, "invalidRequest", "$orderby is not supported on this collection.")
        if item.kind != "file":
            raise Denied(400, "invalidRequest", "Only files have versions.")
        found = self.site.versions(item)
        return self._collection(path, found, query, PAGE, lambda one: self.render.version(item, one))

    def _permissions(self, item: SandboxItem, path: str, query: Parameters) -> HttpReply:
        """Those in force, inherited ones too."""
        drive = self.site.drive(item.drive_id)
        if (drive.drive_id, item.item_id) in self.site.hidden:
            raise Denied(403, "accessDenied", "Access denied")
        shares = self.site.permissions(item)
        made = [self.render.permission(share, above, drive, item.number) for share, above in shares]
        return self._collection(path, made, query, PAGE)

    def _collection(
        self, path: str, rows: Sequence[Any], query: Parameters, usual: int, made: Callable[[Any], Json] | None = None
    ) -> HttpReply:
        top, skip = _top(query, usual), 0
        if "$skiptoken" in query:
            match = re.fullmatch(r"Paged=TRUE&p_ID=(\d+)", query["$skiptoken"][0])
            if match is None:
                raise Denied(400, "invalidRequest", "The $skiptoken is not valid.")
            skip = int(match.group(1))
        page = rows[skip : skip + top]
        select = _select(query)
        answer: Json = {"value": [_selected(made(one) if made else one, select) for one in page]}
        if skip + top < len(rows):
            kept = "".join(f"&{name}={quote(query[name][0])}" for name in ("$top", "$select") if name in query)
            token = quote(f"Paged=TRUE&p_ID={skip + top}", safe="")
            answer["@odata.nextLink"] = f"{self.root}{path}?$skiptoken={token}{kept}"
        return HttpReply(as_json(answer))

    # --- delta -------------------------------------------------------------------------------------------------

    def _delta(self, drive: SandboxDrive, token: str | None, query: Parameters, prefer: str) -> HttpReply:
        # The reference names a header ``deltaExcludeParent``, the overview a preference of that name: either counts.
        token = next(iter(query.get("token", [])), None) if token is None else token
        _check_expand(query)
        exclude = self.exclude_parents or "deltaexcludeparent" in prefer.lower()
        options = FeedOptions(_top(query, PAGE), _select(query), exclude)
        if token is None:
            return self._told(drive, self.feed.page(self.feed.everything(drive, options), 0), options)
        if token == "latest":  # noqa: S105 - a documented value
            return self._told(drive, self.feed.latest(drive, options), options)
        place = self.feed.place(token)
        if place is None or place.drive_id != drive.drive_id:
            return self._since(drive, token, options)
        options = replace(place.options, exclude_parents=exclude)
        if self._is_due() or self.feed.too_old(place):
            if place.enumeration is not None:
                place.enumeration.dead = True
            return self._resync(drive, options)
        return self._told(drive, self.feed.after(drive, place, options), options)

    def _is_due(self) -> bool:
        """``gone_after`` pages have been given."""
        if self.gone_after is None or self.gone_after > 0:
            return False
        self.gone_after = None
        return True

    def _since(self, drive: SandboxDrive, token: str, options: FeedOptions) -> HttpReply:
        """A moment as token (business only), or nothing that ever was a token."""
        with suppress(ValueError):
            moment = datetime.fromisoformat(token)
            if not drive.personal and moment.tzinfo is not None:
                return self._told(drive, self.feed.since(drive, moment, options), options)
        raise Denied(400, "invalidRequest", "Provided sync token is malformed.")

    def _resync(self, drive: SandboxDrive, options: FeedOptions) -> HttpReply:
        code = GONE[self._gone % len(GONE)]
        self._gone += 1
        reply = failed(410, code, "Resync required. Replace any local items with the server's version.")
        reply.headers["Location"] = self._link(drive, self.feed.fresh(drive, options))
        return reply

    def _told(self, drive: SandboxDrive, page: ToldPage, options: FeedOptions) -> HttpReply:
        if self.gone_after is not None:
            self.gone_after -= 1
        value = [
            self.render.tombstone(name, item, drive) if deleted or item is None else self.render.item(item, delta=True)
            for name, item, deleted in page.entries
        ]
        link = "@odata.deltaLink" if page.last else "@odata.nextLink"
        shown = [_selected(one, options.select) for one in value]
        context = f"{self.root}/$metadata#Collection(driveItem)"
        return HttpReply(as_json({"@odata.context": context, link: self._link(drive, page.token), "value": shown}))

    def _link(self, drive: SandboxDrive, token: str) -> str:
        """In one of the two forms, by turns."""
        self._links += 1
        base, escaped = f"{self.root}/drives/{quote(drive.drive_id, safe='!')}/root/delta", quote(token, safe="")
        return f"{base}(token='{escaped}')" if self._links % 2 else f"{base}?token={escaped}"

    # --- batch -------------------------------------------------------------------------------------------------

    def _batch(self, body: bytes, *, delegated: bool) -> HttpReply:
        """Up to 20 requests; "responses may be in a different order than the requests", each with its own status."""
        try:
            asked = json.loads(body)["requests"]
            wanted = [(str(one["id"]), str(one["method"]).upper(), str(one["url"])) for one in asked]
        except (ValueError, KeyError, TypeError):
            raise Denied(400, "BadRequest", "Invalid batch payload format.") from None
        if not 1 <= len(wanted) <= 20:
            raise Denied(400, "BadRequest", "Number of batch request steps exceeds the maximum value of 20.")
        if len({one[0] for one in wanted}) < len(wanted):
            raise Denied(400, "BadRequest", "Duplicate request id.")
        responses = []
        for name, method, url in reversed(wanted):
            reply = self.sub_fault() or self.reply(
                method, url if url.startswith("/") else f"/{url}", b"", delegated=delegated, nested=True
            )
            headers = {"Content-Type": "application/json", **reply.headers}
            one = {"id": name, "status": reply.status, "headers": headers, "body": json.loads(reply.body)}
            responses.append(one)
        return HttpReply(as_json({"responses": responses}))


def _check_expand(query: Parameters) -> None:
    if "permissions" in ",".join(query.get("$expand", [])):
        raise Denied(400, "invalidRequest", "The permissions relationship cannot be expanded.")


def _top(query: Parameters, usual: int) -> int:
    text = (query.get("$top") or [str(usual)])[0]
    if not text.isdigit() or not 1 <= int(text) <= MOST:
        raise Denied(400, "invalidRequest", f"The limit of '{MOST}' for Top query has been exceeded.")
    return int(text)


def _select(query: Parameters) -> tuple[str, ...] | None:
    text = ",".join(query.get("$select", []))
    return tuple(part.strip() for part in text.split(",")) if text else None


def _selected(row: Json, select: tuple[str, ...] | None) -> Json:
    """With ``$select``, no facet that is not named: ``deleted`` neither (reported, not documented)."""
    if select is None:
        return row
    wanted = {*select, "id"} | ({"@microsoft.graph.downloadUrl"} if "content.downloadUrl" in select else set())
    return {name: value for name, value in row.items() if name in wanted}
