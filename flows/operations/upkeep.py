"""The upkeep of sinks whose tables are files: which tables there are, and tidying them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from contracts.errors import IngestionError
from contracts.receipts import RunRef
from contracts.traits import SupportsCompaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.wiring import Workspace


class Tidied(NamedTuple):
    """What was done to one unit's table.

    Attributes:
        ref: The unit and its sink.
        lines: One per thing that was done; empty when there was nothing to do.
        error: Why it could not be tidied, or None.
    """

    ref: RunRef
    lines: tuple[str, ...]
    error: IngestionError | None = None


def written_refs(workspace: Workspace, endpoint_id: str | None = None, sink_id: str | None = None) -> list[RunRef]:
    """Every (endpoint, unit, sink) that was ever run, of one endpoint and into one sink if given."""
    return [
        RunRef(endpoint_id=each.endpoint_id, unit_id=each.unit_id, sink_id=each.sink_id)
        for each in workspace.states.list(endpoint_id)
        if sink_id in {None, each.sink_id}
    ]


def tidied_tables(workspace: Workspace, endpoint_id: str | None = None, sink_id: str | None = None) -> Iterator[Tidied]:
    """Tidy the tables of every unit that was run, as :func:`written_refs` says; those of databases are passed over.

    A table that cannot be tidied does not keep the others from it.
    """
    for ref in written_refs(workspace, endpoint_id, sink_id):
        try:
            sink = workspace.sink(ref.sink_id)
            if isinstance(sink, SupportsCompaction):
                yield Tidied(ref, sink.compact(ref))
        except IngestionError as error:
            yield Tidied(ref, (), error)
