"""One run at a time per (endpoint, unit, sink): the sink's own lock first, then a Prefect slot (I11).

The lock ends with the process that holds it; the slot makes the run visible in Prefect and holds back runs whose sink
cannot lock. Neither is the fence: a slot's holder can outlive its lease, so the sink's epoch decides who may write.
"""

from __future__ import annotations

import hashlib
import re
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from prefect.client.schemas.objects import ConcurrencyLeaseHolder
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError
from prefect.concurrency.sync import concurrency

from contracts.errors import RunInProgressError
from flows.prefect_api.client import AlreadyThereError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from uuid import UUID

    from contracts.endpoint import SinkEndpoint
    from contracts.receipts import RunRef
    from flows.execution.artifacts import RunLog
    from flows.prefect_api.client import ControlPlane

LEASE_S = 60.0
"""The shortest that the server allows: a killed holder's slot is free after this and one sweep of the server."""
SLOT_TIMEOUT_S = 75.0
_POLL_EVERY_S = 2.0
_READABLE = 120


@contextmanager
def exclusive_run(
    sink: SinkEndpoint, ref: RunRef, plane: ControlPlane, flow_run_id: UUID, log: RunLog
) -> Iterator[None]:
    """Hold the unit while the context is open.

    Raises:
        RunInProgressError: A live run holds the sink's lock; or the slot was not free within 75 seconds.
    """
    with sink.exclusive(ref), _slot(ref, plane, flow_run_id, log):
        yield


def slot_name(ref: RunRef) -> str:
    """The limit's name: readable, of characters that Prefect takes and a path needs no quoting for."""
    whole = f"{ref.endpoint_id}/{ref.unit_id}/{ref.sink_id}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"nucleus.{re.sub(r'[^A-Za-z0-9.-]+', '.', whole)[:_READABLE]}.{digest}"


@contextmanager
def _slot(ref: RunRef, plane: ControlPlane, flow_run_id: UUID, log: RunLog) -> Iterator[None]:
    name = slot_name(ref)
    _ensure_limit(plane, name, log)
    asked_at = time.monotonic()
    while True:
        slot = _acquire(name, flow_run_id)
        try:
            slot.__enter__()
            break
        except (ConcurrencySlotAcquisitionError, TimeoutError) as error:
            _wait(ref, name, time.monotonic() - asked_at, error, log)
    with _released_at_end(slot):
        yield


def _acquire(name: str, flow_run_id: UUID) -> AbstractContextManager[None]:
    holder = ConcurrencyLeaseHolder(type="flow_run", id=flow_run_id)
    # A renewal that fails does not end the run: the epoch keeps it from harm, and a restarted server from ending it.
    return concurrency(
        name,
        occupy=1,
        timeout_seconds=10,
        max_retries=0,
        lease_duration=LEASE_S,
        strict=True,
        holder=holder,
        raise_on_lease_renewal_failure=False,
    )


@contextmanager
def _released_at_end(slot: AbstractContextManager[None]) -> Iterator[None]:
    try:
        yield
    finally:
        with suppress(Exception):  # the run is over and its rows are in: the lease runs out by itself
            slot.__exit__(None, None, None)


def _wait(ref: RunRef, name: str, waited_s: float, error: Exception, log: RunLog) -> None:
    if waited_s > SLOT_TIMEOUT_S:
        raise RunInProgressError(
            f"The Prefect slot of {ref} is still taken after {SLOT_TIMEOUT_S:.0f} seconds",
            f"If no run is alive, reset the concurrency limit {name!r} in the Prefect UI; then run again.",
            ref=str(ref),
            slot=name,
        ) from error
    if waited_s < _POLL_EVERY_S:
        log.warning(
            "No live run holds %s, but its Prefect slot is taken: a killed run's lease has to run out. "
            "Waiting at most %.0f seconds.",
            ref,
            SLOT_TIMEOUT_S,
        )
    time.sleep(_POLL_EVERY_S)


def _ensure_limit(plane: ControlPlane, name: str, log: RunLog) -> None:
    """Make sure the concurrency limit exists and its slot is free.

    The caller holds the sink's lock, so it is the only live run: a slot that is taken belongs to a run that was
    killed. Its limit is deleted and recreated; to the server that is another limit, and the dead run's lease expires
    on the old one.
    """
    limit = plane.call("GET", f"/v2/concurrency_limits/{name}")
    if limit is not None and limit["active_slots"] > 0:
        log.warning(
            "The slot of the Prefect concurrency limit %s was left by a killed run; the limit is recreated.", name
        )
        plane.call("DELETE", f"/v2/concurrency_limits/{name}")
        limit = None
    if limit is None:
        with suppress(AlreadyThereError):
            plane.call("POST", "/v2/concurrency_limits/", {"name": name, "limit": 1, "active": True})
