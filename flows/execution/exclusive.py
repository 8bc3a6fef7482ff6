"""One run at a time per (endpoint, unit, sink): the sink's own lock first, then a Prefect slot (I11).

The lock ends with the process that holds it; the slot makes the run visible in Prefect and holds back runs whose sink
cannot lock. Neither is the fence: a slot's holder can outlive its lease, so the sink's epoch decides who may write.
"""

from __future__ import annotations

from contextlib import contextmanager
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
    sink: SinkEndpoint, ref: RunRef, plane: ControlPlane, flow_run_id: UUID, log: RunLog
) -> Iterator[None]:
    """Hold the unit while the context is open.

    Raises:
        RunInProgressError: A live run holds the sink's lock; or the slot was not free within 75 seconds.
    """
    with sink.exclusive(ref), held_slot(ref, plane, flow_run_id, log), kept_running(plane, flow_run_id, log):
        yield
