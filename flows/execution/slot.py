"""A unit's slot in Prefect: a concurrency limit of one, held by a lease while the run goes on.

It makes the run visible in Prefect. It is taken by plain calls: Prefect's own context manager keeps a thread and
a client for every name as long as the process lives.
"""

from __future__ import annotations

import hashlib
import re
import time
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from contracts.errors import ControlPlaneError, RunInProgressError
from flows.prefect_api.client import AlreadyThereError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from contracts.receipts import RunRef
    from flows.execution.artifacts import RunLog
    from flows.prefect_api.client import ControlPlane

LEASE_S = 60.0
"""The shortest that the server allows: a killed holder's slot is free after this and one sweep of the server."""
RENEW_EVERY_S = LEASE_S / 4
SLOT_TIMEOUT_S = 75.0
_POLL_EVERY_S = 2.0
_READABLE = 120
_LIMITS = "/v2/concurrency_limits"
_TAKEN, _LEASE_GONE = 423, 410


def slot_name(ref: RunRef) -> str:
    """The limit's name: readable, of characters that Prefect takes and a path needs no quoting for."""
    whole = f"{ref.endpoint_id}/{ref.unit_id}/{ref.sink_id}"
    digest = hashlib.sha256(whole.encode()).hexdigest()[:8]
    return f"nucleus.{re.sub(r'[^A-Za-z0-9.-]+', '.', whole)[:_READABLE]}.{digest}"


@contextmanager
def held_slot(ref: RunRef, plane: ControlPlane, flow_run_id: UUID, log: RunLog) -> Iterator[None]:
    """Hold the unit's slot while the context is open; the caller holds the sink's lock.

    Raises:
        RunInProgressError: The slot was not free within 75 seconds.
        ControlPlaneError: The server did not answer.
    """
    lease_id = _acquired(ref, plane, flow_run_id, log)
    over = Event()
    renewing = Thread(target=_renew, args=(plane, lease_id, over, log), name="renew-slot", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        with suppress(ControlPlaneError):  # the run is over and its rows are in: the lease runs out by itself
            plane.call("POST", f"{_LIMITS}/decrement-with-lease", {"lease_id": lease_id})
        renewing.join()


def _acquired(ref: RunRef, plane: ControlPlane, flow_run_id: UUID, log: RunLog) -> str:
    """The lease's id. The first time that the slot is taken it is freed: see :func:`_free`."""
    name = slot_name(ref)
    asked_at, freed = time.monotonic(), False
    while True:
        lease_id, is_known = _try_to_acquire(plane, name, flow_run_id)
        if lease_id is not None:
            return lease_id
        if not is_known:
            _make_limit(plane, name)
        elif not freed:
            _free(plane, name, log)
            freed = True
        else:
            _wait(ref, name, time.monotonic() - asked_at, log)


def _try_to_acquire(plane: ControlPlane, name: str, flow_run_id: UUID) -> tuple[str | None, bool]:
    """(id of the lease, or None; whether there is such a limit). Without a limit, the server leases nothing."""
    body: dict[str, Any] = {
        "names": [name],
        "slots": 1,
        "mode": "concurrency",
        "lease_duration": LEASE_S,
        "holder": {"type": "flow_run", "id": str(flow_run_id)},
    }
    try:
        answer = plane.call("POST", f"{_LIMITS}/increment-with-lease", body)
    except ControlPlaneError as error:
        if error.facts.get("status") != _TAKEN:
            raise
        return None, True
    return (str(answer["lease_id"]), True) if answer["limits"] else (None, False)


def _make_limit(plane: ControlPlane, name: str) -> None:
    with suppress(AlreadyThereError):
        plane.call("POST", f"{_LIMITS}/", {"name": name, "limit": 1, "active": True})


def _free(plane: ControlPlane, name: str, log: RunLog) -> None:
    """Recreate the limit of a slot that is taken.

    The caller holds the sink's lock, so it is the only live run: the slot belongs to a run that was killed. To the
    server the recreated limit is another one, and the dead run's lease expires on the old one.
    """
    log.warning("The slot of the Prefect concurrency limit %s was left by a killed run; the limit is recreated.", name)
    plane.call("DELETE", f"{_LIMITS}/{name}")
    _make_limit(plane, name)


def _wait(ref: RunRef, name: str, waited_s: float, log: RunLog) -> None:
    if waited_s > SLOT_TIMEOUT_S:
        raise RunInProgressError(
            f"The Prefect slot of {ref} is still taken after {SLOT_TIMEOUT_S:.0f} seconds",
            f"If no run is alive, reset the concurrency limit {name!r} in the Prefect UI; then run again.",
            ref=str(ref),
            slot=name,
        )
    if waited_s < _POLL_EVERY_S:
        log.warning(
            "No live run holds %s, but its Prefect slot is taken: a killed run's lease has to run out. "
            "Waiting at most %.0f seconds.",
            ref,
            SLOT_TIMEOUT_S,
        )
    time.sleep(_POLL_EVERY_S)


def _renew(plane: ControlPlane, lease_id: str, over: Event, log: RunLog) -> None:
    """Renew the lease until the run is over.

    A renewal that fails does not end the run: the epoch keeps it from harm, and a restarted server from ending it.
    """
    while not over.wait(RENEW_EVERY_S):
        try:
            plane.call("POST", f"{_LIMITS}/leases/{lease_id}/renew", {"lease_duration": LEASE_S})
        except ControlPlaneError as error:
            log.warning("The run's slot in Prefect could not be renewed; the run goes on: %s", error)
            if error.facts.get("status") == _LEASE_GONE:
                return
