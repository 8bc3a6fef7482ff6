"""Drives as test systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_kit.checks.local_system import LocalTestSystem
from connector_kit.checks.system import FieldLocation, PageLocation
from connector_kit.recording.page_shape import PageShape
from connectors.onedrive.factory import FACTORY
from sandbox.onedrive import DriveSite, SandboxOneDrive
from sandbox.onedrive.feed import FINAL, LIVE, FeedOptions, SandboxEnumeration, SandboxFeed

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.onedrive.samples import SandboxDrive


_NO_WATERMARK = "the cursor is the feed's link: no moment decides what is read"


class ODataPageShape(PageShape):
    """Its link's name has a dot, which separates names elsewhere."""

    def token(self, page: Any) -> str | None:
        return page.get("@odata.nextLink") if isinstance(page, dict) else None

    def with_token(self, page: Any, token: str) -> Any:
        return {**page, "@odata.nextLink": token}


class PlainFeed(SandboxFeed):
    """Each item once and nothing deleted, in one order: what the kit changes in a row is then what counts."""

    def everything(self, drive: SandboxDrive, options: FeedOptions) -> SandboxEnumeration:
        made = super().everything(drive, options)
        made.entries = sorted({(name, FINAL) for name, how in made.entries if how in {FINAL, LIVE}})
        made.live = False
        starts = range(0, len(made.entries), options.top)
        made.pages = [(one, min(one + options.top, len(made.entries))) for one in starts]
        return made


class DriveItemsTestSystem(LocalTestSystem[SandboxOneDrive]):
    """The feed of a few drives; after a check that changes them, new ones are started."""

    factory = FACTORY
    unit_id = "onedrive.item"
    pages = PageLocation("/root/delta", ODataPageShape("value"))
    fields = {
        "text": FieldLocation("webUrl", "url"),
        "integer": FieldLocation("size", "size"),
        "timestamp": FieldLocation("lastModifiedDateTime", "last_modified"),
    }
    settings = {"page_size": 15}
    narrower = {"root_path": "/Documents"}
    not_narrowing = (
        "client_id", "tenant", "login_url", "slice_items",
        "drive_ids", "user_ids", "site_ids",  # one of them has to be given
    )  # fmt: skip
    exceptions = {
        **dict.fromkeys(
            (
                "pages.every-row",
                "rows.integers",
                "rows.integer-too-large",
                "rows.zero",
                "rows.null-moment",
                "rows.nul",
                "rows.surrogates",
                "rows.unicode",
                "rows.huge",
                "rows.empty",
                "rows.null",
                "rows.absent",
                "clock.zones",
                "clock.naive",
                "clock.edge",
            ),
            "the key holds the drive's id too, and the kit looks for the item's alone: onedrive.drive passes these",
        ),
        "resume.again": "each reading ends with a link of its own, which its report holds; the rows are the same",
        "incremental.moved": "no item moves to another drive, and what changed after its slice is in the next run's feed",
        **dict.fromkeys(
            (
                "incremental.at-watermark",
                "incremental.overlap",
                "incremental.part-watermarks",
                "incremental.part-appears",
                "incremental.part-meanwhile",
                "state.future-row",
            ),
            _NO_WATERMARK,
        ),
    }

    def start(self) -> SandboxOneDrive:
        server = SandboxOneDrive(DriveSite(drives=3, items=110))
        server.api.feed = PlainFeed(server.site)
        return server.start()

    def config(self, url: str) -> dict[str, Any]:
        server = self.server
        return {
            "base_url": url,
            "access_token": server.delegated_token,
            "drive_ids": [one.drive_id for one in server.site.drives()],
        }

    def timestamp(self, moment: datetime) -> str:
        """As Graph writes it."""
        return moment.isoformat(timespec="microseconds")

    def keys(self) -> set[str]:
        return set(self.server.site.truth("item"))

    def change(self, count: int) -> set[str]:
        site = self.server_to_change.site
        site.advance(3600)
        files = [one for drive in site.drives() for one in site.items(drive, "file")][:count]
        for one in files:
            site.edit_file(one)
        return {f"{one.drive_id}:{one.item_id}" for one in files}

    def remove(self) -> str:
        site = self.server_to_change.site
        gone = site.items(site.drives()[0], "file")[0]
        site.delete(gone)
        return f"{gone.drive_id}:{gone.item_id}"


class DrivesTestSystem(DriveItemsTestSystem):
    """A list of drives."""

    unit_id = "onedrive.drive"
    pages = PageLocation("/drives", ODataPageShape("value"))
    fields = {
        "text": FieldLocation("webUrl", "url"),
        "integer": FieldLocation("quota.total", "quota_total"),
        "timestamp": FieldLocation("lastModifiedDateTime", "last_modified"),
    }
    exceptions = {}

    def config(self, url: str) -> dict[str, Any]:
        return {"base_url": url, "access_token": self.server.delegated_token}

    def keys(self) -> set[str]:
        server = self.server
        mine = next(one.owner[1] for one in server.site.drives() if one.owner[0] == "user")
        return {one.drive_id for one in server.site.drives() if one.owner[1] == mine}
