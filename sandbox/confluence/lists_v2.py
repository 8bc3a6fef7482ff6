"""The lists of REST v2: filters, orders and defaults. Source: Confluence Cloud REST API v2 reference.

Documented: pages and blog posts that are current or archived unless ``status`` says otherwise; lists of comments of a
page hold the top ones only, replies are below ``…/children``; versions newest first; ``/attachments`` has 50 a page.
Assumed: lists of all comments hold replies too; content of an archived space is listed; equal moments are by id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.confluence.paging import RefusedV2, Row, chosen, listed, numbers, turned
from sandbox.confluence.render import V2Payloads
from sandbox.confluence.truth import LISTED, listed_comments, space_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sandbox.confluence.paging import KeysetPager
    from sandbox.confluence.records import AttachmentRecord, CommentRecord, ContentRecord, ContentVersion, SpaceRecord
    from sandbox.confluence.server import ConfluenceFaults
    from sandbox.confluence.site import ConfluenceSite
    from sandbox.http_service import HttpReply, Parameters

_FORMS = ("storage", "atlas_doc_format")
_MOMENTS = ("created-date", "modified-date")


def _signed(orders: Iterable[str]) -> list[str]:
    return [sign + order for order in orders for sign in ("", "-")]


class ContentLists:
    """Of one site."""

    def __init__(self, site: ConfluenceSite, faults: ConfluenceFaults, pager: KeysetPager) -> None:
        self.site, self.faults, self.pager = site, faults, pager
        self.payloads = V2Payloads(site)
        self._sorted: dict[Any, list[tuple[Row, Any]]] = {}
        self._revision = -1

    def form(self, query: Parameters, forms: Sequence[str] = _FORMS) -> str | None:
        """The form of bodies; lists do not have ``view`` (BodyBulk)."""
        return chosen(query, "body-format", forms, None)

    def _rows(self, name: Any, order: str, things: Callable[[], Iterable[Any]], key: Callable[[Any], Row]) -> Any:
        """Sorted, and kept until the site changes; with a minus in ``order`` downwards, ids too."""
        if self._revision != self.site.revision:
            self._sorted.clear()
            self._revision = self.site.revision
        if (name, order) not in self._sorted:
            down = order.startswith("-")
            rows = [(turned(key(one)) if down else key(one), one) for one in things()]
            self._sorted[name, order] = sorted(rows, key=lambda one: one[0])
        return self._sorted[name, order]

    def top(self, collection: str, path: str, query: Parameters) -> HttpReply:
        """A list of the whole site."""
        if collection == "spaces":
            return self._spaces(path, query)
        if collection == "labels":
            return self._labels(path, query)
        if collection == "attachments":
            return self.attachments(path, query)
        if collection in {"pages", "blogposts"}:
            return self.content(collection[:-1], path, query)
        return self.comments(collection.partition("-")[0], path, query)

    def _spaces(self, path: str, query: Parameters) -> HttpReply:
        order = chosen(query, "sort", _signed(("id", "key", "name")), "id") or "id"
        form = chosen(query, "description-format", ("plain", "view"), None)
        ids, keys = numbers(query, "ids", 250), listed(query, "keys", 250)
        kind, status = chosen(query, "type", ("global", "personal"), None), query.get("status", [None])[0]

        def wanted(one: SpaceRecord) -> bool:
            named = (ids is None or one.space_id in ids) and (keys is None or one.key in keys)
            return named and kind in {None, one.kind} and status in {None, one.status}

        def key(one: SpaceRecord) -> Row:
            return ({"id": one.space_id, "key": one.key, "name": one.name}[order.strip("-")], one.space_id)

        rows = self._rows("spaces", order, self.site.spaces.values, key)
        return self._page(path, query, [row for row in rows if wanted(row[1])],
                          lambda one: self.payloads.space(one, form), order)  # fmt: skip

    def content(
        self, kind: str, path: str, query: Parameters, space: int | None = None, label: int | None = None
    ) -> HttpReply:
        """Pages or blog posts."""
        order = chosen(query, "sort", _signed(("id", *_MOMENTS, "title")), "id") or "id"
        form, statuses = self.form(query), tuple(listed(query, "status") or LISTED)
        if set(statuses) - {"current", "archived", "deleted", "trashed", "draft"}:
            raise RefusedV2(400, "Provided value for 'status' is not valid.")
        ids, spaces = numbers(query, "id", 250), numbers(query, "space-id", 100)
        title = query.get("title", [None])[0]

        def key(one: ContentRecord) -> Row:
            what = order.strip("-")
            if what == "title":
                return (one.title, one.content_id)
            at = {"id": one.content_id, "created-date": one.created_ms, "modified-date": one.last.created_ms}
            return (at[what], one.content_id)

        def shown() -> Iterable[ContentRecord]:
            every = self.site.content.values()
            return (one for one in every if one.kind == kind and one.status in statuses and not one.hidden)

        def wanted(one: ContentRecord) -> bool:
            within = space in {None, one.space_id} and (spaces is None or one.space_id in spaces)
            named = (ids is None or one.content_id in ids) and title in {None, one.title}
            return within and named and (label is None or label in one.labels)

        rows = self._rows((kind, statuses), order, shown, key)
        if (space, label, ids, spaces, title) != (None,) * 5:
            rows = [row for row in rows if wanted(row[1])]
        return self._page(path, query, rows, lambda one: self._content(one, form), order)

    def _content(self, one: ContentRecord, form: str | None) -> Any:
        if form and self.faults.broken_lists and str(one.content_id) in self.faults.broken_ids:
            raise RefusedV2(500, "Internal Server Error")
        return self.payloads.content(one, form)

    def children(self, path: str, query: Parameters, parent: ContentRecord) -> HttpReply:
        """Child pages by position; those without one come first, and may end the list early (CONFCLOUD-84015)."""

        def key(one: ContentRecord) -> Row:
            return (-1 if one.position is None else one.position, one.content_id)

        def shown() -> Iterable[ContentRecord]:
            every = self.site.content.values()
            return (one for one in every if one.parent_id == parent.content_id and one.status in LISTED)

        rows = self._rows(("children", parent.content_id), "child-position", shown, key)
        rows = [row for row in rows if not row[1].hidden]
        if self.faults.children_end_early and any(row[1].position is None for row in rows):
            rows = rows[:25]
        return self._page(path, query, rows, lambda one: {
            "id": str(one.content_id), "status": one.status, "title": one.title, "spaceId": str(one.space_id),
            "childPosition": one.position,
        }, "child-position")  # fmt: skip

    def attachments(
        self, path: str, query: Parameters, container: tuple[str, int] | None = None, label: int | None = None
    ) -> HttpReply:
        """Attachments; by id unless a sort is asked for."""
        order = chosen(query, "sort", _signed(_MOMENTS), None) or "id"
        statuses = tuple(listed(query, "status") or LISTED)
        kind, name = query.get("mediaType", [None])[0], query.get("filename", [None])[0]

        def key(one: AttachmentRecord) -> Row:
            return (self._moment(one, one.attachment_id, order), one.attachment_id)

        def shown() -> Iterable[AttachmentRecord]:
            every = (one for one in self.site.attachments.values() if one.status in statuses)
            return (one for one in every if space_of(self.site, one.container) is not None)

        def wanted(one: AttachmentRecord) -> bool:
            held = container in {None, one.container} and (label is None or label in one.labels)
            return held and kind in {None, one.media_type} and name in {None, one.last.title}

        rows = [row for row in self._rows(("attachments", statuses), order, shown, key) if wanted(row[1])]
        return self._page(path, query, rows, self.payloads.attachment, order, 25 if container else 50)

    def comments(
        self, kind: str, path: str, query: Parameters, container: tuple[str, int] | None = None,
        parent: int | None = None,
    ) -> HttpReply:  # fmt: skip
        """All of the site, the top ones of a container, or the replies to one."""
        order, form = chosen(query, "sort", _signed(_MOMENTS), None) or "id", self.form(query)
        resolution = listed(query, "resolution-status") if container and kind == "inline" else None

        def key(one: CommentRecord) -> Row:
            return (self._moment(one, one.comment_id, order), one.comment_id)

        def wanted(one: CommentRecord) -> bool:
            if container is not None and (one.container != container or one.parent_id is not None):
                return False
            return parent in {None, one.parent_id} and (resolution is None or one.resolution in resolution)

        rows = self._rows(("comments",), order, lambda: listed_comments(self.site), key)
        bare = parent is not None
        return self._page(
            path, query, [row for row in rows if row[1].kind == kind and wanted(row[1])],
            lambda one: self.payloads.comment(one, form, child=bare or self._lacks_container(one)), order,
        )  # fmt: skip

    def _lacks_container(self, one: CommentRecord) -> bool:
        return self.faults.replies_lack_container and one.parent_id is not None

    def versions(self, path: str, query: Parameters, kind: str, name: str, versions: list[ContentVersion]) -> HttpReply:
        """Newest first unless a sort is asked for."""
        order, form = chosen(query, "sort", _signed(("modified-date",)), "-modified-date"), self.form(query)
        down = order == "-modified-date"
        rows = [((-one.number if down else one.number, 0), one) for one in versions]
        return self._page(
            path, query, sorted(rows, key=lambda one: one[0]),
            lambda one: self.payloads.of_version(one, kind, name, form if kind != "attachment" else None), str(order),
        )  # fmt: skip

    def _labels(self, path: str, query: Parameters) -> HttpReply:
        ids, prefixes = numbers(query, "label-id"), listed(query, "prefix")
        every = [one for one in self.site.labels.values() if ids is None or one.label_id in ids]
        return self._label_page(path, query, {
            one.label_id: 0 for one in every if prefixes is None or one.prefix in prefixes
        })  # fmt: skip

    def labels_of(self, path: str, query: Parameters, labels: dict[int, int]) -> HttpReply:
        """Of one thing."""
        prefix = query.get("prefix", [None])[0]
        chosen_ones = {one: at for one, at in labels.items() if prefix in {None, self.site.labels[one].prefix}}
        return self._label_page(path, query, chosen_ones)

    def _label_page(self, path: str, query: Parameters, labels: dict[int, int]) -> HttpReply:
        order = chosen(query, "sort", _signed(("id", "name", "created-date")), "id") or "id"
        what = order.strip("-")
        values: list[Row] = [
            ({"id": one, "name": self.site.labels[one].name, "created-date": at}[what], one)
            for one, at in labels.items()
        ]  # fmt: skip
        rows = [(turned(row) if order.startswith("-") else row, self.site.labels[row[1]]) for row in values]
        return self._page(path, query, sorted(rows, key=lambda one: one[0]), self.payloads.label, order)

    def permissions(self, path: str, query: Parameters, space: SpaceRecord) -> HttpReply:
        """SpacePermissionAssignment, by id."""
        rows = [((int(one[0]), 0), one) for one in space.grants]
        return self._page(path, query, sorted(rows, key=lambda one: one[0]), lambda one: {
            "id": one[0], "principal": {"type": one[1], "id": one[2]},
            "operation": {"key": one[3], "targetType": one[4]},
        })  # fmt: skip

    def _moment(self, one: AttachmentRecord | CommentRecord, number: int, order: str) -> int:
        return {"id": number, "created-date": one.created_ms, "modified-date": one.last.created_ms}[order.strip("-")]

    def _page(
        self, path: str, query: Parameters, rows: list[tuple[Row, Any]], render: Callable[[Any], Any],
        order: str = "id", default: int = 25,
    ) -> HttpReply:  # fmt: skip
        return self.pager.page(path, query, rows, render, order, default)
