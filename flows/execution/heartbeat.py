"""The heartbeat of a unit's run, by which the server notices that its process is gone.

Prefect's own heartbeat sleeps in whole seconds and a run waits for it when it ends, so that the smallest run lasts a
second; and its default of three minutes is longer than the server waits before it takes a run for dead.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import copy_context
from threading import Event, Thread
from typing import TYPE_CHECKING

from prefect.events import emit_event
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

HEARTBEAT = "prefect.flow-run.heartbeat"
EVERY_S = 30.0


@contextmanager
def own_heartbeats() -> Iterator[None]:
    """Let flow runs that are called while the context is open send :func:`heartbeats` in place of Prefect's."""
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


@contextmanager
def heartbeats(flow_run_id: str) -> Iterator[None]:
    """Send heartbeats of the flow run while the context is open, unless Prefect does."""
    if get_current_settings().flows.heartbeat_frequency is not None:
        yield
        return
    over = Event()
    # In this context: without it, Prefect would take the settings it was imported with, and perhaps know no server.
    sending = Thread(target=copy_context().run, args=(_send, flow_run_id, over), name="heartbeat", daemon=True)
    sending.start()
    try:
        yield
    finally:
        over.set()
        sending.join()


def _send(flow_run_id: str, over: Event) -> None:
    resource = {"prefect.resource.id": f"prefect.flow-run.{flow_run_id}"}
    emit_event(HEARTBEAT, resource)
    while not over.wait(EVERY_S):
        emit_event(HEARTBEAT, resource)
