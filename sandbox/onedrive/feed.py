"""The delta feed: enumerations over the log of a drive, and the tokens that lead through them.

Documented (driveItem: delta, scan guidance): the order is unspecified, an item may occur several times and its last
occurrence is the one to use, a token may become too old (410 with a Location that starts afresh), a moment is a token
on business drives, ``deltaExcludeParent`` leaves out unchanged ancestors. The delta query overview says that a page may
be empty and not be the last, the page of driveItem: delta that an empty set of changes is the end: here the former.
Assumed: stale occurrences carry a former name and the root as parent; an item may be told deleted before it is told; an
enumeration's links live an hour, a deltaLink thirty days. What is told up to a deltaLink is exactly the drive at one
position of its log: of the enumeration's begin, or, for a live enumeration, of its last page.
"""

from __future__ import annotations

import base64
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from sandbox.onedrive.samples import SandboxDrive, SandboxItem
    from sandbox.onedrive.site import DriveSite

FINAL, STALE, TOMBSTONE, LIVE = "final", "stale", "tombstone", "live"
"""How an entry is told: as of the enumeration's position, as it might have been, as deleted, as it is when asked."""

PAGE = 200
ENUMERATION_LIFE_S, DELTA_LIFE_S = 3600.0, 30 * 86_400.0


@dataclass(frozen=True)
class FeedOptions:
    """Of the first call; the links carry them."""

    top: int = PAGE
    select: tuple[str, ...] | None = None
    exclude_parents: bool = False


@dataclass
class SandboxEnumeration:
    """One walk through the pages; ``position`` is the place in the log that its end stands for."""

    drive_id: str
    position: int
    options: FeedOptions
    born: datetime
    live: bool = False
    """True: told as it is when asked; what changed meanwhile is told again at the end."""
    dead: bool = False
    entries: list[tuple[str, str]] = field(default_factory=list)
    pages: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class TokenPlace:
    """What a token stands for: a page of an enumeration, or a position in the log of a drive."""

    serial: int
    drive_id: str
    options: FeedOptions
    born: datetime
    position: int = 0
    enumeration: SandboxEnumeration | None = None
    page: int = 0


@dataclass
class ToldPage:
    """Entries as (item id, item or None, deleted), and the token that follows; ``last`` makes it a deltaLink's."""

    entries: list[tuple[str, SandboxItem | None, bool]]
    token: str
    last: bool


class SandboxFeed:
    """Every drive's. The caller holds the site's lock."""

    def __init__(self, site: DriveSite) -> None:
        self.site = site
        self._places: dict[str, TokenPlace] = {}
        self._serial = self._forgotten = 0

    def forget(self) -> None:
        """Every token given out so far is too old."""
        self._forgotten = self._serial

    def place(self, token: str) -> TokenPlace | None:
        """What a token stands for; None for one that never was."""
        return self._places.get(token)

    def too_old(self, place: TokenPlace) -> bool:
        """It answers 410."""
        life = ENUMERATION_LIFE_S if place.enumeration else DELTA_LIFE_S
        dead = place.enumeration is not None and place.enumeration.dead
        return dead or place.serial <= self._forgotten or (self.site.now - place.born).total_seconds() > life

    def latest(self, drive: SandboxDrive, options: FeedOptions) -> ToldPage:
        """Nothing, and the token of now."""
        return ToldPage([], self._token(drive, options, position=len(drive.log)), last=True)

    def since(self, drive: SandboxDrive, moment: datetime, options: FeedOptions) -> ToldPage:
        """What changed after a moment."""
        position = next((i for i, one in enumerate(drive.log) if one.at >= moment), len(drive.log))
        return self.page(self._changes(drive, position, options), 0)

    def after(self, drive: SandboxDrive, place: TokenPlace, options: FeedOptions) -> ToldPage:
        """The page a token leads to."""
        if place.enumeration is not None:
            return self.page(place.enumeration, place.page)
        return self.page(self._changes(drive, place.position, options), 0)

    def fresh(self, drive: SandboxDrive, options: FeedOptions) -> str:
        """The token of a new enumeration's first page, as a 410 names it."""
        return self._token(drive, options, enumeration=self.everything(drive, options))

    def everything(self, drive: SandboxDrive, options: FeedOptions) -> SandboxEnumeration:
        """All live items of now in no order, with occurrences to be overridden and deletions of things unknown."""
        made = SandboxEnumeration(drive.drive_id, len(drive.log), options, self.site.now)
        chance = self._chance()
        made.live = chance.random() < 0.5
        names = [one.item_id for one in drive.items.values() if not one.deleted]
        chance.shuffle(names)
        last = LIVE if made.live else FINAL
        placed = [(float(index), name, last) for index, name in enumerate(names)]
        for index in chance.sample(range(len(names)), min(len(names), 2 + len(names) // 30)):
            how = STALE if chance.random() < 0.7 and names[index] != drive.root_id else TOMBSTONE
            if names[index] != drive.root_id:
                placed.append((chance.uniform(-1, index - 0.5), names[index], how))
        gone = [one.item_id for one in drive.items.values() if one.deleted][:3]
        unknown = [f"{drive.drive_id}!9{index}" if drive.personal else f"01GONE{index}" for index in range(2)]
        placed += [(chance.uniform(0, len(names)), name, TOMBSTONE) for name in (*gone, *unknown)]
        placed.sort()
        made.entries = [(name, how) for _, name, how in placed]
        made.pages = _pages(0, len(made.entries), options.top, chance)
        return made

    def page(self, made: SandboxEnumeration, number: int) -> ToldPage:
        """A page; asking again gives it again."""
        drive = self.site.drive(made.drive_id)
        last = number + 1 == len(made.pages)
        if last and made.live and len(drive.log) > made.position:
            self._extend(drive, made)
            last = False
        start, end = made.pages[number]
        told = [one for one in (self._told(drive, made, *entry) for entry in made.entries[start:end]) if one]
        if last:
            return ToldPage(told, self._token(drive, made.options, position=made.position), last=True)
        return ToldPage(told, self._token(drive, made.options, enumeration=made, page=number + 1), last=False)

    # --- inside ------------------------------------------------------------------------------------------------

    def _told(
        self, drive: SandboxDrive, made: SandboxEnumeration, name: str, how: str
    ) -> tuple[str, SandboxItem | None, bool] | None:
        if how == TOMBSTONE:
            return name, drive.items.get(name), True
        position = len(drive.log) if made.live and how in {LIVE, STALE} else made.position
        item = self.site.as_of(drive, name, position)
        if how == STALE and item is not None:
            return name, _stale(item, drive), False
        if how in {LIVE, STALE}:
            return (name, item, False) if item is not None else None  # gone: the end tells it
        return (name, item, False) if item is not None else (name, drive.items.get(name), True)

    def _changes(self, drive: SandboxDrive, position: int, options: FeedOptions) -> SandboxEnumeration:
        """What the log tells from a position to now."""
        made = SandboxEnumeration(drive.drive_id, len(drive.log), options, self.site.now)
        chance = self._chance()
        made.entries = self._log_entries(drive, position, options, chance)
        made.pages = _pages(0, len(made.entries), options.top, chance)
        return made

    def _extend(self, drive: SandboxDrive, made: SandboxEnumeration) -> None:
        """What changed while a live enumeration went on, told as of now, at its end."""
        chance, start = self._chance(), len(made.entries)
        made.entries += self._log_entries(drive, made.position, made.options, chance)
        made.pages += _pages(start, len(made.entries), made.options.top, chance)
        made.live, made.position = False, len(drive.log)

    def _log_entries(
        self, drive: SandboxDrive, position: int, options: FeedOptions, chance: random.Random
    ) -> list[tuple[str, str]]:
        hidden = {"silent", "ancestor"} if options.exclude_parents else {"silent"}
        told = [one.item_id for one in drive.log[position:] if one.seen not in hidden]
        count = Counter(told)
        names = list(count)
        chance.shuffle(names)
        placed = [(float(index), name, FINAL) for index, name in enumerate(names)]
        for index, name in enumerate(names):
            if count[name] > 1 and name != drive.root_id and chance.random() < 0.5:
                how = STALE if chance.random() < 0.6 else TOMBSTONE
                placed.append((chance.uniform(-1, index - 0.5), name, how))
        placed.sort()
        return [(name, how) for _, name, how in placed]

    def _token(
        self,
        drive: SandboxDrive,
        options: FeedOptions,
        *,
        position: int = 0,
        enumeration: SandboxEnumeration | None = None,
        page: int = 0,
    ) -> str:
        self._serial += 1
        born = enumeration.born if enumeration else self.site.now
        text = base64.b64encode(f"{self._serial}~?>;%23;{drive.drive_id[:6]};{page}".encode()).decode()
        self._places[text] = TokenPlace(self._serial, drive.drive_id, options, born, position, enumeration, page)
        return text

    def _chance(self) -> random.Random:
        self._serial += 1
        return random.Random(self._serial)  # noqa: S311 - repeatable


def _stale(item: SandboxItem, drive: SandboxDrive) -> SandboxItem:
    return replace(item, name=f"was {item.number}", parent_id=drive.root_id, size=1, revision=0)


def _pages(start: int, end: int, top: int, chance: random.Random) -> list[tuple[int, int]]:
    """Pages of at most ``top`` entries ("a hint"), some shorter, and an empty one that is not the last."""
    made, at = [], start
    while at < end:
        upto = min(end, at + (top if chance.random() < 0.7 else chance.randint(max(1, top // 2), top)))
        made.append((at, upto))
        at = upto
    if len(made) > 1 or chance.random() < 0.2:
        made.insert(min(1, len(made)), (start, start))
    return made if made and made[-1][0] < made[-1][1] else [*made, (end, end)]
