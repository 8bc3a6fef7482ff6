"""A run that beats by itself: Prefect's own heartbeat would make the smallest run last a second."""

from __future__ import annotations

from queue import SimpleQueue
from threading import enumerate as threads_alive
from typing import TYPE_CHECKING

from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

from flows.execution import heartbeat

if TYPE_CHECKING:
    import pytest


def test_a_run_beats_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: SimpleQueue[tuple[str, dict[str, str]]] = SimpleQueue()
    monkeypatch.setattr(heartbeat, "emit_event", lambda event, resource: beats.put((event, resource)))
    monkeypatch.setattr(heartbeat, "EVERY_S", 0.01)
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 30}):
        with heartbeat.heartbeats("prefects"):
            assert beats.empty(), "Prefect beats"
        with heartbeat.own_heartbeats(), heartbeat.heartbeats("ours"):
            heard = [beats.get(timeout=60) for _ in range(3)]
    assert heard == [("prefect.flow-run.heartbeat", {"prefect.resource.id": "prefect.flow-run.ours"})] * 3
    assert "heartbeat" not in [thread.name for thread in threads_alive()]
