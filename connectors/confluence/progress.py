"""How far each space was read: the checkpoint of units that can be read incrementally."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from connectors.http.watermarks import WatermarkedCheckpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.model import Json
    from contracts.receipts import UpsertReceipt

GAPS_IN = "gaps_in"
"""Under this name a slice's report holds the keys of the spaces it could not read wholly."""


class ConfluenceCheckpoint(WatermarkedCheckpoint):
    """``transient.spaces.<KEY>.lastModified``."""

    parts_name: ClassVar[str] = "spaces"
    mark_name: ClassVar[str] = "lastModified"


def checkpoint_from_receipts(after: Json, before: Json | None, receipts: Sequence[UpsertReceipt]) -> Json:
    """The planned checkpoint, except that spaces with gaps stay where they were."""
    lost = {str(key) for one in receipts for key in one.observed.get(GAPS_IN) or ()}  # type: ignore[union-attr]
    return ConfluenceCheckpoint.model_validate(after).with_unread(lost, before) if lost else after
