"""A site of Confluence as a test system."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

from connector_kit.checks.local_system import LocalTestSystem
from connector_kit.checks.system import FieldLocation, PageLocation
from connector_kit.recording.page_shape import PageShape
from connectors.confluence.factory import FACTORY
from sandbox.confluence import ConfluenceFaults, ConfluenceSite, SandboxConfluence

if TYPE_CHECKING:
    from datetime import datetime

_NEXT = "_links.next"
_BY_CLOCK = dict.fromkeys(
    ("incremental.part-watermarks", "incremental.part-appears", "incremental.part-meanwhile"),
    "a space's watermark is the site's clock, not its newest row: test_selected_spaces in tests/exactness/confluence",
)


class SpacesTestSystem(LocalTestSystem[SandboxConfluence]):
    """Spaces: one list, read in full."""

    factory = FACTORY
    unit_id = "confluence.space"
    pages = PageLocation("/api/v2/spaces", PageShape("results", next=_NEXT))
    fields = {"text": FieldLocation("name", "name")}
    narrower = {"space_keys": ("ENG",)}
    not_narrowing = ("cloud_id", "email", "gateway_url", "slice_pages")
    site: dict[str, Any] = {"spaces": tuple(f"S{number}" for number in range(120)), "pages": 120}
    budget = 6_000

    def start(self) -> SandboxConfluence:
        site = ConfluenceSite(**self.site)
        site.update_attachment(min(site.truth("attachment")))  # the newest change is as late as the clock
        return SandboxConfluence(site, faults=ConfluenceFaults(size_budget=self.budget)).start()

    def config(self, url: str) -> dict[str, Any]:
        return {"base_url": url, "email": self.server.email, "api_token": self.server.token}

    def timestamp(self, moment: datetime) -> str:
        """As v2 writes it: in UTC; with its offset what no clock in UTC shows."""
        with suppress(OverflowError):
            moment = moment.astimezone(UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def keys(self) -> set[str]:
        return set(self.server.site.truth(self.unit_id.partition(".")[2]))

    def change(self, count: int) -> set[str]:
        site = self.server_to_change.site
        changed = list(site.truth("space").values())[:count]
        for row in changed:
            site.rename_space(row["key"], "changed")
        return {row["id"] for row in changed}

    def remove(self) -> str:
        site = self.server_to_change.site
        row = list(site.truth("space").values())[4]
        site.delete_space(row["key"])
        return str(row["id"])


class AttachmentsTestSystem(SpacesTestSystem):
    """Attachments: a list of the whole site, read down to the watermark."""

    unit_id = "confluence.attachment"
    pages = PageLocation("/api/v2/attachments", PageShape("results", next=_NEXT))
    fields = {
        "text": FieldLocation("title", "title"),
        "integer": FieldLocation("fileSize", "file_size"),
        "timestamp": FieldLocation("version.createdAt", "last_modified"),
    }
    smallest_overlap = {"overlap_s": 60}
    exceptions = _BY_CLOCK
    site: dict[str, Any] = {"pages": 600}
    budget = 9_000

    def change(self, count: int) -> set[str]:
        site = self.server_to_change.site
        site.advance(3600)
        changed = sorted(site.truth("attachment").values(), key=lambda row: row["last_modified"])[:count]
        for row in changed:
            site.update_attachment(row["id"])
        return {row["id"] for row in changed}

    def change_late(self, seconds: float) -> str:
        site = self.server_to_change.site
        changed = sorted(site.truth("attachment"))[1]
        with site.lock:
            newest = max(one.last.created_ms for one in site.attachments.values())
            site.update_attachment(changed)
            record = site.attachments[int(changed.removeprefix("att"))]
            record.versions[-1] = replace(record.last, created_ms=newest - int(seconds * 1000))
            site.revision += 1
        return changed

    def remove(self) -> str:
        site = self.server_to_change.site
        removed = sorted(site.truth("attachment"))[4]
        site.delete_attachment(removed)
        return removed


class ConfluenceCommentsTestSystem(AttachmentsTestSystem):
    """Comments: two lists of the whole site, read down to the watermark; the kit looks into the longer one."""

    unit_id = "confluence.comment"
    pages = PageLocation("/api/v2/footer-comments", PageShape("results", next=_NEXT))
    fields = {
        "text": FieldLocation("title", "title"),
        "integer": FieldLocation("version.number", "version"),
        "timestamp": FieldLocation("version.createdAt", "last_modified"),
    }
    site: dict[str, Any] = {"pages": 300}
    budget = 9_000
    exceptions = {
        **_BY_CLOCK,
        **dict.fromkeys(
            ("schema.field-gone", "pages.every-row"),
            "comments beside the text are a list of their own, which the kit does not see",
        ),
        "rows.nulls": "a comment without a body has an empty text, not none",
    }

    def start(self) -> SandboxConfluence:
        site = ConfluenceSite(**self.site)
        site.edit_comment(min(site.comments), "the newest change is as late as the clock")
        return SandboxConfluence(site, faults=ConfluenceFaults(size_budget=self.budget)).start()

    def change(self, count: int) -> set[str]:
        site = self.server_to_change.site
        site.advance(3600)
        changed = sorted(site.truth("comment").values(), key=lambda row: row["last_modified"])[:count]
        for row in changed:
            site.edit_comment(row["id"], "changed")
        return {row["id"] for row in changed}

    def change_late(self, seconds: float) -> str:
        site = self.server_to_change.site
        changed = sorted(site.truth("comment"))[1]
        with site.lock:
            newest = max(one.last.created_ms for one in site.comments.values())
            site.edit_comment(changed, "changed")
            record = site.comments[int(changed)]
            record.versions[-1] = replace(record.last, created_ms=newest - int(seconds * 1000))
            site.revision += 1
        return changed

    def remove(self) -> str:
        site = self.server_to_change.site
        removed = next(key for key in sorted(site.truth("comment")) if site.comments[int(key)].parent_id is None)
        site.delete_comment(removed)
        return removed


class ConfluencePagesTestSystem(SpacesTestSystem):
    """Pages and blog posts: listed without bodies, then fetched by id, from the same path."""

    unit_id = "confluence.page"
    pages = PageLocation("/api/v2/pages", PageShape("results", next=_NEXT))
    fields = {
        "text": FieldLocation("title", "title"),
        "integer": FieldLocation("position", "position"),
        "timestamp": FieldLocation("version.createdAt", "last_modified"),
    }
    smallest_overlap = {"overlap_s": 60}
    exceptions = _BY_CLOCK
    settings = {"page_size": 30, "slice_pages": 60}
    site: dict[str, Any] = {"pages": 200}
    budget = 5_000_000

    def start(self) -> SandboxConfluence:
        site = ConfluenceSite(**self.site)
        site.edit(min(site.truth("page")))
        return SandboxConfluence(site, faults=ConfluenceFaults(size_budget=self.budget)).start()

    def change(self, count: int) -> set[str]:
        site = self.server_to_change.site
        site.advance(3600)
        changed = sorted(site.truth("page").values(), key=lambda row: row["last_modified"])[:count]
        for row in changed:
            site.edit(row["id"], title=f"changed {row['id']}")
        return {row["id"] for row in changed}

    def change_late(self, seconds: float) -> str:
        site = self.server_to_change.site
        changed = sorted(site.truth("page"))[1]
        with site.lock:
            newest = max(one.last.created_ms for one in site.content.values())
            site.edit(changed, title="changed")
            record = site.content[int(changed)]
            record.versions[-1] = replace(record.last, created_ms=newest - int(seconds * 1000))
            site.revision += 1
        return changed

    def remove(self) -> str:
        site = self.server_to_change.site
        removed = sorted(site.truth("page"))[4]
        site.trash(removed)
        return removed
