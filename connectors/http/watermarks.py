"""Watermarks of the parts of a system (projects, spaces): each goes on from where it was read itself.

A part's watermark is the server's clock when the run that read it was planned. Every change made before that moment was
listed by that run, or lies inside the overlap that the next one reads again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field

from connectors.http.progress import ApiCheckpoint
from contracts.errors import CursorUnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.model import Json


class WatermarkedCheckpoint(ApiCheckpoint):
    """A checkpoint with ``transient.<parts>.<key>.<mark>``: a connector's own says how these two are called.

    Attributes:
        scope: Fingerprint of the selectors other than the parts, and of the dataset's columns.
        census_at: When keys were last compared with the system's.
        transient: The part that is kept beside the checkpoint.
    """

    parts_name: ClassVar[str]
    mark_name: ClassVar[str]

    census_at: datetime | None = None
    transient: dict[str, dict[str, dict[str, datetime]]] = Field(default_factory=dict)

    @property
    def watermarks(self) -> dict[str, datetime]:
        """By the part's key."""
        return {key: marks[self.mark_name] for key, marks in self.transient.get(self.parts_name, {}).items()}

    def since(self, part: str) -> datetime | None:
        """The part's watermark, or None when it was never read."""
        return self.watermarks.get(part)

    def advanced(self, parts: Iterable[str], moment: datetime, *, census: bool) -> Json:
        """The checkpoint after a run that read these parts as of ``moment``.

        A run that compares keys removes what other parts left in the sink, so it forgets how far they were read.
        """
        return self.after(dict.fromkeys(parts, moment), moment if census else None).dumped()

    def after(self, marks: dict[str, datetime], census_at: datetime | None) -> Self:
        """The same, with a watermark for each part; ``census_at`` is None for a run that compares no keys."""
        kept = self.watermarks if census_at is None else {}
        return self.marked(kept | marks).model_copy(update={"census_at": census_at or self.census_at})

    def with_unread(self, parts: Iterable[str], before: Json | None) -> Json:
        """The checkpoint with these parts left where they were before: something in them could not be read."""
        old = type(self).model_validate(before or {})
        unread = set(parts)
        marks = {key: mark for key, mark in self.watermarks.items() if key not in unread}
        if old.scope == self.scope:
            marks |= {key: mark for key, mark in old.watermarks.items() if key in unread}
        return self.marked(marks).dumped()

    def dumped(self) -> Json:
        """As it is saved."""
        return self.model_dump(mode="json")

    def marked(self, watermarks: dict[str, datetime]) -> Self:
        """The checkpoint with these watermarks and no others."""
        marks = {key: {self.mark_name: moment} for key, moment in sorted(watermarks.items())}
        return self.model_copy(update={"transient": {self.parts_name: marks}})


def watermark_of(value: str) -> datetime:
    """The moment that an operator sets, an ISO 8601 text; UTC where it names no zone.

    Raises:
        CursorUnsupportedError: It is none.
    """
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise CursorUnsupportedError(f"{value[:60]!r} is no moment", "Write 2026-01-31T12:00:00+00:00.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
