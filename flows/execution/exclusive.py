"""One run at a time per (endpoint, unit, sink): the sink's own lock first, then a Prefect slot (I11).

The lock ends with the process that holds it; the slot shows in Prefect that the unit is taken. A part of an endpoint's
run takes no slot: its parent shows it, and a slot costs the server as much as a slice. Neither is the fence: the sink's
epoch decides who may write.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from flows.execution.revival import kept_running
from flows.execution.slot import held_slot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from contracts.endpoint import SinkEndpoint
    from contracts.receipts import RunRef
    from flows.execution.artifacts import RunLog
    from flows.prefect_api.client import ControlPlane


@contextmanager
def exclusive_run(
    sink: SinkEndpoint, ref: RunRef, plane: ControlPlane, flow_run_id: UUID, log: RunLog, *, takes_slot: bool
) -> Iterator[None]:
    """Hold the unit while the context is open.

    Args:
        sink: Whose lock is taken.
        ref: What is run.
        plane: The Prefect API.
        flow_run_id: Of the run.
        log: Of the run.
        takes_slot: False for a part of an endpoint's run.

    Raises:
        RunInProgressError: A live run holds the sink's lock; or the slot was not free within 75 seconds.
    """
    slot = held_slot(ref, plane, flow_run_id, log) if takes_slot else nullcontext()
    with sink.exclusive(ref), slot, kept_running(plane, flow_run_id, log):
        yield
