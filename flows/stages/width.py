"""Before the plan: a unit with more columns than the sink's table can have is narrowed, or refused.

A column without a place is not lost where the source keeps whole payloads in ``raw``. Which columns go is decided by
the unit alone, so that the next run decides the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import SinkSchemaConflictError
from contracts.width import RAW, SupportsColumnLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contracts.endpoint import SinkEndpoint
    from flows.stages.plan import RunRequest

_NAMED = 20


def fitted(sink: SinkEndpoint, request: RunRequest) -> RunRequest:
    """The request with as many of the unit's columns as fit, and a note that names those that do not.

    Columns that the run needs stay (key, cursor, filter, ``raw``); of the others the last ones go.

    Raises:
        SinkSchemaConflictError: There are too many, and the unit has no column ``raw`` that would keep their values.
    """
    if request.cdm_model is not None or not isinstance(sink, SupportsColumnLimit):
        return request
    room = sink.most_columns - (request.policy.on_gone == "tombstone")
    names = [column.name for column in request.unit.columns]
    surplus = len(names) - room
    if surplus <= 0:
        return request
    needed = _needed(request)
    dropped = [name for name in names if name not in needed][-surplus:]
    raw = request.unit.dataset.column(RAW)
    if raw is None or raw.logical_type != "json" or len(dropped) < surplus:
        raise _too_wide(request, len(names), room)
    dataset = request.unit.dataset
    kept = tuple(column for column in dataset.columns if column.name not in {*dropped})
    unit = request.unit.model_copy(update={"dataset": dataset.model_copy(update={"columns": kept})})
    return request.model_copy(update={"unit": unit, "notes": (*request.notes, _note(request, dropped, room))})


def _needed(request: RunRequest) -> set[str]:
    policy = request.policy
    filtered = {condition.column for condition in policy.filter}
    return {*request.unit.primary_key, *policy.key_columns, *policy.cursor_columns, *filtered, RAW}


def _note(request: RunRequest, dropped: Sequence[str], room: int) -> str:
    more = f" and {len(dropped) - _NAMED} more" if len(dropped) > _NAMED else ""
    return (
        f"{request.unit.unit_id} has {len(dropped)} column(s) more than the {room} that a table of the sink can have. "
        f"Their values are in column {RAW} only: {', '.join(dropped[:_NAMED])}{more}."
    )


def _too_wide(request: RunRequest, columns: int, room: int) -> SinkSchemaConflictError:
    return SinkSchemaConflictError(
        f"{request.unit.unit_id} has {columns} columns, and a table of the sink can have {room}",
        "Make a view at the source with fewer columns and ingest that, or use a sink without this limit; nothing was "
        "written.",
        unit_id=request.unit.unit_id,
        columns=columns,
        most_columns=room,
    )
