"""Events that do not arrive: counted, said, and waited for within bounds."""

from __future__ import annotations

import logging
from threading import Event

import pytest

from flows import lineage_feed
from flows.lineage_feed import AWAY_S, PATIENCE_S, EventPost, ReceiverAwayError, RunEvents, is_configured


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def refuse(_: object) -> None:
    raise ConnectionError("refused")


def test_events_arrive_in_order() -> None:
    arrived: list[int] = []
    post = EventPost(arrived.append)
    events = RunEvents(post)
    for number in range(20):
        events.emit(lambda number=number: number)
    assert events.settle() == 0
    assert arrived == [*range(20)]


def test_a_receiver_that_is_away_is_left_alone_for_a_while() -> None:
    clock, tried = Clock(), []

    def send(event: str) -> None:
        tried.append(event)
        if event == "first":
            raise ConnectionError("refused")

    post = EventPost(send, clock)
    outcomes = [post.post("first"), post.post("second")]
    assert [type(each.exception(timeout=10)) for each in outcomes] == [ConnectionError, ReceiverAwayError]
    clock.now = AWAY_S + 1
    assert post.post("third").exception(timeout=10) is None
    assert tried == ["first", "third"]


def test_a_receiver_that_hangs_is_waited_for_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lineage_feed, "PATIENCE_S", 0.05)
    hanging = Event()
    post = EventPost(lambda _: hanging.wait(30))
    first, second = RunEvents(post, logging.getLogger("run")), RunEvents(post)
    first.emit(object)
    second.emit(object)
    assert first.settle() == 1
    assert "1 of 1 lineage events did not reach their receiver: it does not answer in time" in caplog.text
    assert post._patience_s == 0, "the next run does not wait at all"
    assert second.settle() == 1
    post.drain()
    assert "2 lineage events are lost" in caplog.text
    hanging.set()
    late = post.post("late")
    assert late.exception(timeout=10) is None
    assert post.wait([late]) == ()
    assert post._patience_s == lineage_feed.PATIENCE_S, "it answers again"


def test_too_many_waiting_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage_feed, "MOST_WAITING", 1)
    hanging, begun = Event(), Event()
    post = EventPost(lambda _: (begun.set(), hanging.wait(30)))
    outcomes = [post.post("sent")]
    assert begun.wait(10)
    outcomes += [post.post("waits"), post.post("lost")]
    assert isinstance(outcomes[2].exception(timeout=0), ReceiverAwayError)
    hanging.set()
    assert [each.exception(timeout=10) for each in outcomes[:2]] == [None, None]


def test_an_event_that_cannot_be_made_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    events = RunEvents(EventPost(refuse))
    events.emit(lambda: 1 / 0)
    events.emit(object)
    assert events.settle() == 2
    assert "2 of 2 lineage events" in caplog.text
    assert "ConnectionError" in caplog.text
    assert "refused" not in caplog.text, "the text of a foreign error may hold a login"


@pytest.mark.parametrize(
    ("environment", "configured"),
    [
        ({}, False),
        ({"OPENLINEAGE_URL": "http://127.0.0.1:1"}, True),
        ({"OPENLINEAGE_URL": "http://127.0.0.1:1", "OPENLINEAGE_DISABLED": "True"}, False),
        ({"OPENLINEAGE__TRANSPORT": '{"type": "console"}'}, True),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "console"}, True),
        ({"OPENLINEAGE__TAGS__JOB__OWNER": "me"}, False),
    ],
)
def test_what_counts_as_a_receiver(
    environment: dict[str, str], configured: bool, monkeypatch: pytest.MonkeyPatch, tmp_path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_configured() is configured
    (tmp_path / "openlineage.yml").touch()
    assert is_configured() is ("OPENLINEAGE_DISABLED" not in environment)
    assert PATIENCE_S < AWAY_S
