"""How far each drive was read: the checkpoint of units that follow the drives' feeds.

``transient.drives.<id>.deltaLink`` is the link that the drive gave at the end of the reading whose rows are in the
sink, beside the folders as of then. A drive whose rows did not all arrive keeps the entry it had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from connectors.http.progress import ApiCheckpoint
from contracts.model import Contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.model import Json
    from contracts.plan import IngestionPlan
    from contracts.receipts import UpsertReceipt

PROGRESS_KEY = "drive"
"""Under this name a slice's report holds how far its drive was read."""


class DriveProgress(Contract):
    """One drive: its link, and its folders as text (``FolderTree.encoded``)."""

    delta_link: str = Field(alias="deltaLink")
    folders: str = ""


class DriveStates(Contract):
    """The part that is kept beside the checkpoint, one entry per drive."""

    drives: dict[str, DriveProgress] = Field(default_factory=dict)


class DriveCheckpoint(ApiCheckpoint):
    """A checkpoint.

    Attributes:
        census_at: When keys were last compared with the drives', ISO 8601; empty: that is due.
        transient: Links by drive id.
    """

    census_at: str = ""
    transient: DriveStates = DriveStates()

    @property
    def drives(self) -> dict[str, DriveProgress]:
        """Progress by drive id."""
        return self.transient.drives

    def dumped(self) -> Json:
        """As it is saved."""
        return self.model_dump(mode="json", by_alias=True)


def checkpoint_of(plan: IngestionPlan, receipts: Sequence[UpsertReceipt]) -> Json | None:
    """The checkpoint after slices with these receipts.

    With gaps nothing was removed from the sink, in no drive: then the keys are compared in the next run that has none.
    """
    if plan.checkpoint_after is None:
        return None
    after = DriveCheckpoint.model_validate(plan.checkpoint_after)
    before = DriveCheckpoint.read(plan.checkpoint_before, after.scope).drives
    drive_of = {piece.key: str(piece.params.get("drive", "")) for piece in plan.slices}
    moved = dict(after.drives)
    for receipt in receipts:
        if PROGRESS_KEY in receipt.observed:
            moved[drive_of[receipt.slice_key]] = DriveProgress.model_validate(receipt.observed[PROGRESS_KEY])
    for drive in {drive_of.get(receipt.slice_key, "") for receipt in receipts if receipt.incomplete}:
        moved.pop(drive, None)
        if drive in before:
            moved[drive] = before[drive]
    gaps = any(receipt.incomplete for receipt in receipts)
    return after.model_copy(
        update={
            "census_at": "" if gaps else after.census_at,
            "transient": DriveStates(drives=dict(sorted(moved.items()))),
        }
    ).dumped()
