"""Whether a process works on a unit, asked of the sink: its lock ends with the process, whatever Prefect believes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contracts.errors import IngestionError, RunInProgressError
from contracts.traits import SupportsLockCheck

if TYPE_CHECKING:
    from contracts.receipts import RunRef
    from flows.wiring import Workspace


def is_locked(workspace: Workspace, ref: RunRef) -> bool:
    """True while a run holds the sink's lock of the unit; False when it does not, or the sink does not say.

    A sink that cannot be asked has its lock taken for a moment: a run that begins just then is told to wait its turn.
    """
    try:
        sink = workspace.sink(ref.sink_id)
        if isinstance(sink, SupportsLockCheck):
            return sink.is_locked(ref)
        with sink.exclusive(ref):
            return False
    except RunInProgressError:
        return True
    except IngestionError:
        return False
