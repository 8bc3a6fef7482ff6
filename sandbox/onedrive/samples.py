"""What drives hold: items, shares, drives, people, names and moments, by number and so repeatable."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

Json = dict[str, Any]
Actor = tuple[str, str | None, str]
"""The facet of an identity set (user, application, device), id and display name."""

NO_EXPIRY = "0001-01-01T00:00:00Z"
"""``DateTime.MinValue``: "there's no expiration set for this permission" (resource type permission)."""

_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BASE64 = _BASE32 + _BASE32[:26].lower() + "0189-_"
USERS = [(f"{n:08d}-aaaa-4bbb-8ccc-{n:012d}", f"Zoë Person {n}", f"person{n}@contoso.example") for n in range(6)]
GROUPS = [(f"{n:08d}-dddd-4eee-8fff-{n:012d}", f"Team {n} & friends") for n in range(3)]
ACTORS: list[Actor | None] = [
    *[("user", one[0], one[1]) for one in USERS],
    ("application", "app-0001", "Import job"),
    ("device", "device-0001", "Scanner 3"),
    ("user", None, "System Account"),
    None,
]
"""Who did something: users, one whose id is not given, an application, a device, nobody."""

_NAMES = (
    "Plan {0}.docx", "100% done #{0}.docx", "R&D + ops {0}.xlsx", "Bob's notes {0}.txt", "emoji 😀 {0}.md",
    "a%20b {0}.pdf", "Größe {0}.pptx", "Gro\u0308ße {0}.pptx", "semi;colon={0}.csv",
    "no extension {0}", "(token='{0}').json",
)  # fmt: skip
MIME = {
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "txt": "text/plain", "pdf": "application/pdf", "csv": "text/csv", "json": "application/json",
}  # fmt: skip


@dataclass(slots=True)
class SandboxShare:
    """A permission: of a principal (user, group, application, siteUser, siteGroup) or a link."""

    share_id: str
    roles: list[str]
    principal_type: str
    principal_id: str | None = None
    principal_name: str | None = None
    link_type: str | None = None
    link_scope: str | None = None
    expires: str | None = None


@dataclass(slots=True)
class SandboxVersion:
    """A version of a file; ``by`` is an index of :data:`ACTORS`."""

    version_id: str
    size: int
    modified: str
    by: int


@dataclass(slots=True)
class SandboxItem:
    """A driveItem. ``kind`` is root, folder, file, package or remote; moments are as the API writes them."""

    drive_id: str
    item_id: str
    name: str
    kind: str
    parent_id: str | None
    number: int
    size: int
    created: str
    created_by: int
    modified: str
    modified_by: int
    revision: int = 1
    child_count: int = 0
    deleted: bool = False
    shared: bool = False
    remote: tuple[str, str] | None = None
    versions: list[SandboxVersion] | None = None
    """None: one version, as the item is."""


@dataclass(slots=True)
class DriveEvent:
    """An entry of a drive's log. ``before`` is the item as it was, None when it was not there."""

    item_id: str
    before: SandboxItem | None
    seen: str
    """``change``, ``ancestor`` (only travels with a changed item) or ``silent`` (happened, but no feed tells it)."""
    at: datetime


@dataclass
class SandboxDrive:
    """A drive with its items, by id, those deleted too, and its log."""

    drive_id: str
    name: str
    drive_type: str
    owner: tuple[str, str, str]
    created: str
    modified: str
    description: str | None = None
    quota_total: int | None = None
    site_id: str | None = None
    used: int = 0
    blocked: int | None = None
    """A status that every request to it answers."""
    root_id: str = ""
    items: dict[str, SandboxItem] = field(default_factory=dict)
    children: dict[str, dict[str, None]] = field(default_factory=dict)
    log: list[DriveEvent] = field(default_factory=list)
    places: dict[str, list[int]] = field(default_factory=dict)
    """Where the log names an item."""

    @property
    def personal(self) -> bool:
        """A consumer's drive."""
        return self.drive_type == "personal"


def written(moment: datetime, digits: int) -> str:
    """A moment with 0 to 7 digits of a second; the seventh never rounds up."""
    fraction = f"{moment.microsecond:06d}3"[:digits]
    return f"{moment.strftime('%Y-%m-%dT%H:%M:%S')}{'.' if digits else ''}{fraction}Z"


def read(moment: str | None) -> datetime | None:
    """The moment that :func:`written` wrote, to the microsecond; None for none and for ``DateTime.MinValue``."""
    if moment is None or moment == NO_EXPIRY:
        return None
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    exact = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    return exact + timedelta(microseconds=int(f"{fraction:0<6}"[:6]))


def name_of(number: int) -> str:
    """A file's name: every seventh needs percent-encoding in another way."""
    return _NAMES[number % len(_NAMES)].format(number)


def drive_id_of(chance: random.Random, *, personal: bool) -> str:
    """``b!…`` for business, sixteen hexadecimal digits for a person's."""
    if personal:
        return f"{chance.getrandbits(64):016X}"
    return "b!" + "".join(chance.choices(_BASE64, k=64))


def drive_of(index: int, chance: random.Random, moment: str, site_id: str) -> SandboxDrive:
    """A drive without items: in turn a user's (business), a site's library owned by a group, a person's."""
    kind = ("business", "documentLibrary", "personal")[index % 3]
    user, group = USERS[index % len(USERS)], GROUPS[index % len(GROUPS)]
    group_owns = kind == "documentLibrary"
    return SandboxDrive(
        drive_id_of(chance, personal=kind == "personal"),
        "Documents" if group_owns else "OneDrive",
        kind,
        ("group", *group) if group_owns else ("user", user[0], user[1]),
        moment,
        moment,
        description=f"Library of {group[1]}" if group_owns else None,
        quota_total=None if group_owns else 5 * 2**40,
        site_id=site_id if group_owns else None,
    )


def item_id_of(drive: SandboxDrive, chance: random.Random, number: int) -> str:
    """``01…`` for business, ``<drive>!…`` for a person's."""
    if drive.personal:
        return f"{drive.drive_id}!{number + 100}"
    bits = chance.getrandbits(160)
    return "01" + "".join(_BASE32[bits >> shift & 31] for shift in range(0, 160, 5))


def mime_of(item: SandboxItem) -> str | None:
    """The media type; some files have none."""
    ending = item.name.rpartition(".")[2]
    return None if item.number % 19 == 0 or item.number % 29 == 0 else MIME.get(ending, "application/octet-stream")


def hash_of(item: SandboxItem) -> str | None:
    """The hash of the content as it is; some files have none."""
    if item.number % 17 == 0 or item.number % 29 == 0:
        return None
    return f"{item.number:06d}{item.size % 10**9:09d}{content_number(item):04d}" + "abcdefg="


def content_number(item: SandboxItem) -> int:
    """How often its content was written."""
    return int(item.versions[0].version_id.partition(".")[0]) if item.versions else 1


def samples_of_shares(number: int, share_id: str) -> SandboxShare:
    """Direct permissions of every kind, by number."""
    user, group = USERS[number % len(USERS)], GROUPS[number % len(GROUPS)]
    kinds = (
        SandboxShare(
            share_id, ["read"], "link", link_type="view", link_scope="anonymous", expires="2027-01-31T12:00:00Z"
        ),
        SandboxShare(share_id, ["write"], "user", user[0], user[1], expires=NO_EXPIRY),
        SandboxShare(share_id, ["read"], "group", group[0], group[1]),
        SandboxShare(share_id, ["write"], "link", link_type="edit", link_scope="organization"),
        SandboxShare(share_id, ["read"], "link", link_type="view", link_scope="users"),
        SandboxShare(share_id, ["write"], "application", "app-0001", "Import job"),
        SandboxShare(share_id, ["sp.full control"], "siteGroup", "5", "Site Owners"),
        SandboxShare(share_id, ["read", "write"], "siteUser", "11", "Guest of the site"),
    )
    return kinds[number % len(kinds)]


def kind_of(number: int, index: int, *, shortcuts: bool) -> str:
    """Of an item by its number, and by its place in the drive."""
    if index % 9 == 0:
        return "folder"
    if number % 47 == 0:
        return "package"
    return "remote" if number % 53 == 0 and shortcuts else "file"


def seeded(
    drive: SandboxDrive, item_id: str, kind: str, parent: SandboxItem, number: int, created: str, modified: str
) -> SandboxItem:
    """An item of the beginning: some are empty, some larger than 2^32 bytes, some have an older version."""
    size = 0 if kind in {"folder", "remote"} or number % 13 == 0 else number * 37
    if kind == "file" and number % 41 == 0:
        size += 2**31 + 2**33
    name = f"Folder {number} 50% #&+'" if kind == "folder" else name_of(number)
    by, last_by = number % len(ACTORS), number * 7 // 3 % len(ACTORS)
    item = SandboxItem(
        drive.drive_id, item_id, name, kind, parent.item_id, number, size, created, by, modified, last_by
    )  # fmt: skip
    if kind == "file" and number % 7 == 0:
        item.versions = [SandboxVersion("2.0", size, modified, last_by), SandboxVersion("1.0", size // 2, created, by)]
    return item
