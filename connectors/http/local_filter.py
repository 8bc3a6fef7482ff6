"""Filters that take wall-clock time: ``updated >= "2025-01-31 07:08"``, to the minute, in the site's own zone.

Such a filter cannot name every moment. Two things go wrong with it: a moment is cut to the minute, and in autumn an
hour of the wall clock comes twice, so that its times name two moments each. Which of the two an API means is seldom
documented, so the layer does not depend on it: it asks only by moments that the wall clock names exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class LocalFilter:
    """By which moments an API can filter.

    Attributes:
        zone: Whose wall clock its filter is written in (``Europe/Berlin``).
        step: The steps in which it counts.
    """

    zone: str = "UTC"
    step: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if self.step < timedelta(seconds=1):
            raise ValueError("the step of a filter is a second or more")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"there is no time zone {self.zone!r}") from error

    def at_or_before(self, moment: datetime) -> datetime:
        """The last moment that the filter can name, and names once, that is not after this one; in UTC."""
        named = self._whole(moment)
        while not _is_named_once(named.astimezone(ZoneInfo(self.zone))):
            named = self._whole(named - max(self.step, timedelta(minutes=15)))
        return named

    def _whole(self, moment: datetime) -> datetime:
        shown = moment.astimezone(ZoneInfo(self.zone)).replace(tzinfo=UTC)
        return moment.astimezone(UTC) - (shown - _EPOCH) % self.step


def in_zone(moment: datetime | None, zone: str, form: str = "%Y-%m-%d %H:%M") -> str | None:
    """A moment as the wall clock of a zone shows it, for a parameter; None stays None.

    Args:
        moment: ``PageRequest.since`` or ``before``. Give the unit a :class:`LocalFilter` of the same zone: then
            nothing is lost by writing it this way.
        zone: The site's (``Europe/Berlin``).
        form: As ``strftime`` takes it.
    """
    return None if moment is None else moment.astimezone(ZoneInfo(zone)).strftime(form)


def _is_named_once(local: datetime) -> bool:
    """Whether no other moment shows the same wall-clock time."""
    return local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset()
