"""A source with a bug that a proof must find: its watermark does not wait for who is in the middle of a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres import planner
from connectors.sql.settled import CursorObservation, Watermark
from tests.exactness.worker import Fuse, FusedSource

if TYPE_CHECKING:
    from collections.abc import Sequence


def naive_source(url: str, fuse: Fuse) -> FusedSource:
    """For a process of its own, which it changes."""
    planner.advanced = naive_watermark
    return FusedSource(url, fuse)


def naive_watermark(
    before: Watermark, reached: str | None, ordered: Sequence[str], seen: CursorObservation
) -> Watermark:
    """Everything up to the greatest value that was seen is taken for settled."""
    return Watermark(columns=before.columns, scope=before.scope, settled=reached)
