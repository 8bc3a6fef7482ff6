"""The data of a sandbox site, made from a few numbers; ``changes`` has what happens to it, ``truth`` what is in it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from threading import RLock
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sandbox.confluence.bodies import composed
from sandbox.confluence.changes import SiteChanges
from sandbox.confluence.records import (
    AttachmentRecord,
    CommentRecord,
    ContentRecord,
    ContentVersion,
    Json,
    LabelRecord,
    SpaceRecord,
    moment,
)
from sandbox.confluence.truth import TRUTHS

if TYPE_CHECKING:
    from collections.abc import Iterable

_START_MS = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
_DAY_MS = 86_400_000
_FIRST_ID = 98_305
"""Ids grow from five to six digits and more, so that they do not sort as text."""
_TITLES = (
    "Release notes", "Über uns & more", '"Quoted" title', "A < B > C", "\U0001f680 launch plan", "שלום עולם",
    "it's 100% / done?", "Design: v2 #3", "Tabs\tand  spaces", "日本語のページ",
)  # fmt: skip
_LABELS = (
    ("todo", "global"), ("todo", "team"), ("favourite", "my"), ("how-to", "global"), ("größe", "global"),
    ("x", "global"),
)  # fmt: skip
_OPERATIONS = (
    ("read", "space"), ("create", "page"), ("delete", "page"), ("administer", "space"), ("create", "attachment"),
)  # fmt: skip
CUSTOM_ID = 77_001
"""Custom content that some attachments and comments hang on; its own records are not served."""


class ConfluenceSite(SiteChanges):
    """Deterministic from its arguments; every method is safe between threads.

    Args:
        spaces: Keys; those that begin with ``~`` are personal. Reserved words of the query language are fine.
        pages: Pages and blog posts made at the start, a few of which are archived, drafts or in the trash.
        seed: Chance.
        zone: Of the site: how date literals of a search are read.
        archived: Key of a space that is archived from the start; None for no such space.
        people: Accounts; the last is closed, the last but one belongs to an app.
        days: Content was created over this many days; some of it shares its milliseconds.
        comments: About so many comments for each piece of content.
        attachments: About so many attachments for each piece of content.
        huge: Size of the largest body, bytes; 0 for no such body.
    """

    def __init__(  # noqa: PLR0913 - what a site is like
        self,
        spaces: Iterable[str] = ("ENG", "OPS", "~ada"),
        pages: int = 200,
        seed: int = 1,
        zone: str = "America/New_York",
        archived: str | None = "OLD",
        people: int = 12,
        days: int = 500,
        *,
        comments: float = 0.6,
        attachments: float = 0.4,
        huge: int = 1_000_000,
    ) -> None:
        self.lock = RLock()
        self.zone = ZoneInfo(zone)
        self.base_url = "https://site.example"
        """Where the site is reached; a server sets it. Bodies hold links that begin with it."""
        self.step_ms = 1
        """By how much a change moves the clock on; 0 for changes within one millisecond."""
        self.chance = random.Random(seed)  # noqa: S311 - repeatable data
        self.now_ms = _START_MS + (days + 1) * _DAY_MS
        self.revision = 0
        self.next_id = _FIRST_ID
        self.people = [f"5b10ac8d82e05b22cc7d{n:04x}" if n % 3 else f"557058:ada-{n}" for n in range(max(people, 4))]
        self.spaces: dict[int, SpaceRecord] = {}
        self.content: dict[int, ContentRecord] = {}
        self.comments: dict[int, CommentRecord] = {}
        self.attachments: dict[int, AttachmentRecord] = {}
        self.labels: dict[int, LabelRecord] = {}
        for name, prefix in _LABELS:
            self.label_id(name, prefix)
        self._make_spaces([*spaces, *([archived] if archived else [])], archived)
        self._make_content(pages, days, huge)
        self._make_comments(int(pages * comments))
        self._make_attachments(int(pages * attachments))
        if pages >= 40:
            self._make_busy_page(_first_page(self.content.values()))
        if archived:
            self.space(archived).status = "archived"

    @property
    def now(self) -> datetime:
        """The site's clock, UTC: it does not advance but by changes and :meth:`advance`."""
        return moment(self.now_ms)

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        with self.lock:
            self.now_ms += int(seconds * 1000)

    def truth(self, unit: str, spaces: Iterable[str] | None = None) -> dict[Any, Json]:
        """What a reader ought to have of a unit now, by key, as agreed for ``confluence.<unit>``.

        Columns that depend on the reader (raw, addresses, plain text of bodies) are left out. Key of a link:
        (content id, kind, target). Key of an entry of a content's restrictions:
        ``<content id>:<operation>:<principal type>:<principal id>``; of a space's: the permission's id.

        Args:
            unit: space | page | comment | attachment | version | label | link | acl.
            spaces: Keys; None for all.
        """
        with self.lock:
            chosen = {one.space_id for one in self.spaces.values() if spaces is None or one.key in set(spaces)}
            return TRUTHS[unit](self, chosen)

    def person(self, account: str) -> Json:
        """As ``users-bulk`` shows an account."""
        index = self.people.index(account) if account in self.people else -1
        closed, app = index == len(self.people) - 1, index == len(self.people) - 2
        return {
            "displayName": "Former user" if closed else f"Person {index}",
            "timeZone": None if closed else "Europe/Berlin",
            "accountStatus": "unknown" if index < 0 else "closed" if closed else "active",
            "accountId": account,
            "email": "" if index % 2 else f"p{index}@example.com",
            "accountType": "app" if app else "atlassian",
            "publicName": f"p{index}",
            "isExternalCollaborator": False,
            "personalSpaceId": None,
        }

    # --- making ------------------------------------------------------------------------------------------------

    def _make_spaces(self, keys: list[str], archived: str | None) -> None:
        for n, key in enumerate(keys):
            personal = key.startswith("~")
            kind = "personal" if personal else ("global", "global", "collaboration", "knowledge_base")[n % 4]
            name = f"Space {key} <&>" if key != archived else "Old things"
            words = "" if n % 2 else f'About {key}, "quoted"'
            space = SpaceRecord(self.new_id(), key, name, kind, self.people[n % 3], _START_MS + n, words)
            self.spaces[space.space_id] = space
            principals = (("user", self.people[n % 4]), ("group", "e1f5-users"), ("role", "b3a1-viewer"))
            for operation, target in _OPERATIONS[: 3 + n % 3]:
                who, name = principals[len(space.grants) % 3]
                space.grants.append((str(self.new_id()), who, name, operation, target))

    def _make_content(self, pages: int, days: int, huge: int) -> None:
        keys, span = list(self.spaces), days * _DAY_MS
        texts = [self.spaces[one].key for one in keys]
        below: dict[int, list[int]] = {key: [] for key in keys}
        known: list[tuple[int, str, str]] = []
        people, last = self.people, 0
        for n in range(pages):
            space_id = keys[n % len(keys)] if n % 7 or len(keys) < 2 else keys[0]
            created = last if n % 13 == 12 else _START_MS + span * n // max(pages, 1) // 1000 * 1000 + n % 1000
            last = created
            author = people[n * 7 % len(people)]
            title = f"{_TITLES[n % len(_TITLES)]} {n}" if n % 50 != 33 else (f"Long {n} " + "x" * 255)[:255]
            content_id = self.new_id()
            content = ContentRecord(content_id, "blogpost" if n % 10 == 9 else "page", space_id, author, created, [])
            for number in range(1, 2 + (n % 4 if n % 3 == 0 else 0)):
                pieces = composed(n + number - 1, self.chance, texts, known, people)
                at = created + (number - 1) * (3_600_000 + n)
                content.versions.append(
                    ContentVersion(number, at, people[(n + number) % len(people)], title, pieces,
                                   "" if number % 2 else f"why {number}", number == 3)
                )  # fmt: skip
            if n % 21 == 3 and len(content.versions) > 2:
                del content.versions[1]
            if huge and n == 7:
                content.last.pieces = (("big", huge), ("external", "https://example.com/end", "end"))
            self._place(content, n, below[space_id])
            self.content[content_id] = content
            known.append((content_id, self.spaces[space_id].key, title))
        for n, content in enumerate(self.content.values()):
            if n % 4 == 1:
                content.labels = {n % len(_LABELS) + 1: content.created_ms, 4: content.created_ms + 1}
            if n % 9 == 2:
                content.restrictions = [("read", "user", people[n % 5]), ("update", "group", "e1f5-users")]

    def _place(self, content: ContentRecord, n: int, below: list[int]) -> None:
        space = self.spaces[content.space_id]
        content.owner = content.author if n % 8 else None
        content.status = {23: "archived", 41: "trashed", 57: "draft"}.get(n % 60, "current")
        if content.kind == "blogpost":
            return
        if space.home_id is None:
            space.home_id, content.status = content.content_id, "current"
        elif n % 29 == 8:
            content.parent_id, content.parent_type = (
                self.new_id(),
                ("folder", "whiteboard", "database", "embed")[n // 29 % 4],
            )
        elif n % 31:
            content.parent_id, content.parent_type = below[int(self.chance.random() * len(below))], "page"
        content.position = None if n % 12 == 4 else n * 7 % 5000
        if content.status == "current":
            below.append(content.content_id)

    def _make_busy_page(self, page: ContentRecord) -> None:
        """More labels, versions, comments, replies and attachments than one answer holds by default."""
        kept, self.now_ms = self.now_ms, self.now_ms - _DAY_MS
        home = (page.kind, page.content_id)
        for n in range(55):
            page.labels[self.label_id(f"bulk-{n:02d}")] = self.now_ms
            page.versions.append(
                ContentVersion(page.last.number + 1, self.now_ms + n // 2, self.people[n % 3], page.title)
            )
        page.last.pieces = (("external", "https://example.com/busy", "busy"),)
        first = self.new_comment(home, "<p>First</p>", inline=False, step=0)
        for n in range(30):
            self.new_comment(home, f"<p>Reply {n}</p>", inline=False, parent=first, step=0)
            self.new_comment(home, f"<p>Inline {n}</p>", inline=True, step=1)
            self.new_attachment(home, f"busy {n}.txt", "text/plain", n, step=0)
        self.now_ms = kept

    def _make_comments(self, count: int) -> None:
        homes = [(one.kind, one.content_id) for one in self.content.values()]
        for n in range(count if homes else 0):
            home = homes[n * 11 % len(homes)] if n % 40 != 39 else ("custom", CUSTOM_ID)
            self.now_ms, kept = self.content[homes[n * 11 % len(homes)][1]].created_ms + 60_000 * (n % 50), self.now_ms
            first = self.new_comment(home, f"<p>Well &amp; good {n}</p>", inline=n % 3 == 1, step=0)
            if n % 4 == 2:
                self.now_ms += 1000
                reply = self.new_comment(home, f"<p>Reply {n}</p>", inline=first.kind == "inline", parent=first, step=0)
                if n % 8 == 2:
                    self.new_comment(home, "<p>Deeper</p>", inline=reply.kind == "inline", parent=reply, step=0)
            if n % 9 == 1 and first.kind == "inline":
                first.resolution = ("resolved", "reopened", "dangling")[n % 3]
            self.now_ms = kept

    def _make_attachments(self, count: int) -> None:
        homes = [(one.kind, one.content_id) for one in self.content.values()]
        for n in range(count if homes else 0):
            home = homes[n * 3 % len(homes)] if n % 20 != 19 else ("custom", CUSTOM_ID)
            self.now_ms, kept = self.content[homes[n * 3 % len(homes)][1]].created_ms + 1000 * (n % 3), self.now_ms
            made = self.new_attachment(home, f"file {n} & co.png", "image/png" if n % 2 else "text/plain", n * 1024, 0)
            if n % 6 == 1:
                made.labels = {n % len(_LABELS) + 1: self.now_ms}
            if n % 25 == 3:
                self.new_comment(("attachment", made.attachment_id), "<p>On a file</p>", inline=False, step=0)
            self.now_ms = kept


def _first_page(content: Iterable[ContentRecord]) -> ContentRecord:
    return next(one for one in content if one.kind == "page" and one.status == "current")
