"""How far a unit was read: the checkpoint of units that answer in pages.

``watermark`` is the newest change that the service showed while the run was planned, and that the run's own rows
reached. Every change up to it was read by that run or lies inside the overlap that the next one reads again.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

from contracts.catalog import structure
from contracts.errors import CursorUnsupportedError
from contracts.model import Contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.model import Json
    from contracts.receipts import UpsertReceipt
    from contracts.unit import EndpointUnitDescriptor

NEWEST_KEY = "newest"
"""Under this name a slice's report holds the newest change among its rows."""


class ApiCheckpoint(Contract):
    """What a checkpoint of an API's unit begins with.

    Attributes:
        scope: Fingerprint of what the rows that were read depend on; under another one they must be read again.
    """

    scope: str = ""

    @classmethod
    def read(cls, checkpoint: Json | None, scope: str) -> Self:
        """The checkpoint if it was taken under the same scope, an empty one otherwise.

        Raises:
            CursorUnsupportedError: It has no shape of ours.
        """
        try:
            saved = cls.model_validate(checkpoint or {})
        except ValidationError as error:
            raise CursorUnsupportedError(
                "The checkpoint cannot be read: it has no shape of ours",
                "Reset the checkpoint (nucleus checkpoint reset); the next run then reads everything.",
            ) from error
        return saved if saved.scope == scope else cls(scope=scope)


class PagedCheckpoint(ApiCheckpoint):
    """A checkpoint.

    Attributes:
        scope: Fingerprint of the unit's columns.
        watermark: UTC; None when no row was ever read.
        census_at: When keys were last compared with the service's.
    """

    watermark: datetime | None = None
    census_at: datetime | None = None

    def since(self, overlap_s: float) -> datetime | None:
        """Where the next run begins to read; None: at the beginning."""
        return None if self.watermark is None else self.watermark - timedelta(seconds=overlap_s)


def columns_fingerprint(unit: EndpointUnitDescriptor) -> str:
    """Changes with the unit's columns."""
    return hashlib.sha256(structure(unit.dataset).encode()).hexdigest()[:16]


def fingerprint(*parts: object) -> str:
    """A short fingerprint of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def is_census_due(census_at: datetime | None, now: datetime, every_s: float) -> bool:
    """True when the last comparison of keys is older than that, or there was none."""
    return census_at is None or (now - census_at.astimezone(UTC)).total_seconds() >= every_s


def checkpoint_from_receipts(after: Json, before: Json | None, receipts: Sequence[UpsertReceipt]) -> Json:
    """The checkpoint after slices with these receipts.

    The watermark never passes the rows: it is the planned one or the newest change in the receipts, whichever is
    older. A run with gaps leaves it where it was.
    """
    planned, old = PagedCheckpoint.model_validate(after), PagedCheckpoint.model_validate(before or {})
    kept = old.watermark if old.scope == planned.scope else None
    if not receipts:
        return after
    seen = [datetime.fromisoformat(str(one.observed[NEWEST_KEY])) for one in receipts if NEWEST_KEY in one.observed]
    reached = max([*seen, *([kept] if kept else [])], default=None)
    if any(receipt.incomplete for receipt in receipts) or reached is None or planned.watermark is None:
        reached = kept
    else:
        reached = min(reached, planned.watermark)
    return planned.model_copy(update={"watermark": reached}).model_dump(mode="json")
