"""How far each space was read: the checkpoint of units that can be read incrementally.

``transient.spaces.<KEY>.lastModified`` is the server's clock when the run that read the space was planned.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pydantic import Field

from connectors.http.progress import ApiCheckpoint
from contracts.model import Contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contracts.model import Json
    from contracts.receipts import UpsertReceipt

GAPS_IN = "gaps_in"
"""Under this name a slice's report holds the keys of the spaces it could not read wholly."""


class SpaceWatermark(Contract):
    """One space's watermark."""

    last_modified: datetime = Field(alias="lastModified")


class SpaceWatermarks(Contract):
    """The part that is kept beside the checkpoint, one entry per space."""

    spaces: dict[str, SpaceWatermark] = Field(default_factory=dict)


class ConfluenceCheckpoint(ApiCheckpoint):
    """A checkpoint.

    Attributes:
        scope: Fingerprint of the selectors other than spaces, and of the columns.
        census_at: When keys were last compared with the site's.
        transient: Watermarks by space key.
    """

    census_at: datetime | None = None
    transient: SpaceWatermarks = SpaceWatermarks()

    def since(self, space: str) -> datetime | None:
        """The space's watermark, or None when it was never read."""
        entry = self.transient.spaces.get(space)
        return entry.last_modified if entry else None

    def advanced(self, spaces: Iterable[str], moment: datetime, *, census: bool) -> Json:
        """The checkpoint after a run that read these spaces as of ``moment``.

        A run that compares keys removes what other spaces left in the sink, so it forgets how far they were read.
        """
        read = {key: SpaceWatermark(lastModified=moment) for key in spaces}
        kept = {} if census else self.transient.spaces
        marks = SpaceWatermarks(spaces=dict(sorted({**kept, **read}.items())))
        after = self.model_copy(update={"census_at": moment if census else self.census_at, "transient": marks})
        return after.model_dump(mode="json", by_alias=True)


def checkpoint_from_receipts(after: Json, before: Json | None, receipts: Sequence[UpsertReceipt]) -> Json:
    """The planned checkpoint, except that spaces with gaps stay where they were."""
    lost = {str(key) for one in receipts for key in one.observed.get(GAPS_IN) or ()}  # type: ignore[union-attr]
    if not lost:
        return after
    advanced = ConfluenceCheckpoint.model_validate(after)
    old = ConfluenceCheckpoint.model_validate(before or {})
    marks = {key: mark for key, mark in advanced.transient.spaces.items() if key not in lost}
    if old.scope == advanced.scope:
        marks |= {key: mark for key, mark in old.transient.spaces.items() if key in lost}
    kept = advanced.model_copy(update={"transient": SpaceWatermarks(spaces=dict(sorted(marks.items())))})
    return kept.model_dump(mode="json", by_alias=True)
