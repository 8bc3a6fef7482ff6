"""The client against a server that throttles, fails, cuts and lies."""

from __future__ import annotations

import gc
import json
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest
from pydantic import SecretStr

from connectors.http.answer_rules import retry_after_s
from connectors.http.client import HttpClient, Refusal
from connectors.http.settings import HttpSettings
from contracts.errors import SourceAuthError, SourcePageFailedError, SourceUnreachableError
from contracts.receipts import Throttling
from tests.connectors.http.scripted import Answer, Scripted, repeated

FINE = Answer(body=b'{"ok": true}')
QUICK = {"retry_pause_s": 0.01, "request_timeout_s": 2.0}


def client_of(server: Scripted, **settings) -> HttpClient:
    return HttpClient(server.url, HttpSettings(**{**QUICK, **settings}), {"Authorization": "Basic c2VjcmV0"})


@pytest.mark.parametrize(
    "bad",
    [
        Answer(500), Answer(502), Answer(503), Answer(504), Answer(408), Answer(429), Answer(body=b'{"half": '),
        Answer(body=b'{"half": "of a body that never ends"}', cut=True),
        Answer(429, headers={"Retry-After": "0"}),
        Answer(503, headers={"Retry-After": "nonsense"}),
    ],
    ids=lambda answer: f"{answer.status}{'-cut' if answer.cut else ''}{answer.headers.get('Retry-After', '')}",
)  # fmt: skip
def test_what_passes_is_asked_again(bad):
    with Scripted(bad, bad, FINE) as server:
        client = client_of(server)
        assert client.get("/thing", json.loads) == {"ok": True}
        assert len(server.arrivals) == 3
        client.close()


@pytest.mark.parametrize("status", [400, 403, 404, 410, 415, 301])
def test_what_does_not_pass_is_a_refusal_at_once(status):
    with Scripted(Answer(status, b'{"why": "no"}')) as server:
        client = client_of(server)
        with pytest.raises(Refusal) as caught:
            client.get("/thing", json.loads)
        assert (caught.value.status, len(server.arrivals)) == (status, 1)
        assert "/thing" in str(caught.value)
        client.close()


def test_there_is_an_end_to_trying():
    with Scripted(Answer(500)) as server:
        client = client_of(server, max_tries=4)
        with pytest.raises(SourcePageFailedError, match="500"):
            client.get("/thing", json.loads)
        assert len(server.arrivals) == 4
        client.close()


@pytest.mark.slow
def test_the_budget_ends_retries_of_all_workers_together():
    with Scripted(Answer(500)) as server:
        client = client_of(server, max_tries=50, concurrency=8, retry_pause_s=0.001)
        with ThreadPoolExecutor(8) as pool:
            tries = [pool.submit(client.get, "/thing", json.loads) for _ in range(8)]
            assert all(isinstance(one.exception(), SourcePageFailedError) for one in tries)
        assert len(server.arrivals) <= 8 + 100, "the budget, not 8 times 50"
        client.close()


@pytest.mark.slow
def test_a_mostly_failing_server_is_outlasted():
    answers = [answer for _ in range(60) for answer in (Answer(500), Answer(429), FINE)]
    with Scripted(*answers, FINE) as server:
        client = client_of(server)
        for _ in range(30):
            assert client.get("/thing", json.loads) == {"ok": True}
        client.close()


@pytest.mark.parametrize("written", ["1", "date"])
def test_a_pause_that_is_asked_for_holds_for_all_workers(written):
    value = formatdate(time.time() + 2, usegmt=True) if written == "date" else written
    throttled = Answer(429, headers={"Retry-After": value})
    with Scripted(throttled, *repeated(FINE, 20)) as server:
        client = client_of(server, concurrency=4)
        with ThreadPoolExecutor(4) as pool:
            first = pool.submit(client.get, "/first", json.loads)
            while not server.arrivals:
                time.sleep(0.005)
            time.sleep(0.1)
            rest = [pool.submit(client.get, "/rest", json.loads) for _ in range(3)]
            assert all(one.result() == {"ok": True} for one in [first, *rest])
        throttled_at = server.arrivals[0]
        assert all(arrival - throttled_at >= 0.8 for arrival in server.arrivals[1:]), (
            "nobody asks before the pause is over"
        )
        counted = client.throttling()
        assert counted.requests_repeated == 1
        assert 0.8 <= counted.paused_s <= 2.0, "the pause, not the sum over those who waited"
        client.close()


@pytest.mark.parametrize("status", [429, 403])
def test_a_limit_without_a_pause_stops_all_workers(status):
    """Issue 11, point 20: one burst costs one refusal for each request under way, not one for each retry of each."""
    limited = Answer(status, headers={"RateLimit-Reason": "jira-burst-based"})
    with Scripted(limited, *repeated(FINE, 20)) as server:
        client = client_of(server, concurrency=4, retry_pause_s=0.8)
        with ThreadPoolExecutor(4) as pool:
            first = pool.submit(client.get, "/first", json.loads)
            while not server.arrivals:
                time.sleep(0.005)
            time.sleep(0.1)
            rest = [pool.submit(client.get, "/rest", json.loads) for _ in range(3)]
            assert all(one.result() == {"ok": True} for one in [first, *rest])
        pauses = [arrival - server.arrivals[0] for arrival in server.arrivals[1:]]
        assert min(pauses) >= 0.35, "the shortest pause is half of retry_pause_s, and it is everybody's"
        client.close()


@pytest.mark.parametrize(
    "headers", [{"Retry-After": "0"}, {"X-RateLimit-Remaining": "0"}, {"RateLimit-Reason": "jira-burst-based"}]
)
def test_a_403_of_a_limit_is_no_missing_permission(headers):
    with Scripted(Answer(403, headers=headers), FINE) as server:
        client = client_of(server)
        assert client.get("/thing", json.loads) == {"ok": True}
        client.close()


def test_a_403_with_requests_left_is_a_missing_permission():
    with Scripted(Answer(403, headers={"X-RateLimit-Remaining": "57"}), FINE) as server:
        client = client_of(server)
        with pytest.raises(Refusal, match="403"):
            client.get("/thing", json.loads)
        client.close()


def test_a_pause_that_is_too_long_ends_the_run():
    with Scripted(Answer(429, headers={"Retry-After": "3600"})) as server:
        client = client_of(server, max_wait_s=5.0)
        with pytest.raises(SourcePageFailedError, match="3600") as caught:
            client.get("/thing", json.loads)
        assert caught.value.retry_after_s == 3600.0
        assert len(server.arrivals) == 1
        client.close()


def test_nobody_waits_for_a_pause_that_is_too_long():
    with Scripted(Answer(503, headers={"Retry-After": "3600"}), FINE) as server:
        client, began = client_of(server, max_wait_s=5.0), time.monotonic()
        with pytest.raises(SourcePageFailedError):
            client.get("/first", json.loads)
        with ThreadPoolExecutor(3) as pool:
            tries = [pool.submit(client.get, "/rest", json.loads) for _ in range(3)]
            errors = [one.exception() for one in tries]
        assert all(isinstance(error, SourcePageFailedError) for error in errors)
        assert all(3590.0 < error.retry_after_s <= 3600.0 for error in errors)
        assert len(server.arrivals) == 1, "the server is left alone"
        assert client.throttling() == Throttling(), "nobody waited"
        assert time.monotonic() - began < 3.0
        client.close()


@pytest.mark.parametrize(("headers", "pause_s"), [({"Retry-After": "0"}, 0.0), ({}, None)], ids=["asked", "not-asked"])
def test_a_request_that_is_given_up_says_what_pause_was_asked_for(headers, pause_s):
    with Scripted(Answer(429, headers=headers)) as server:
        client = client_of(server, max_tries=2)
        with pytest.raises(SourcePageFailedError) as caught:
            client.get("/thing", json.loads)
        assert (caught.value.retry_after_s, len(server.arrivals)) == (pause_s, 2)
        client.close()


def test_no_more_requests_at_once_than_allowed():
    with Scripted(Answer(body=b"{}", wait_s=0.03)) as server:
        client = client_of(server, concurrency=3)
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: client.get("/thing", json.loads), range(30)))
        assert server.most_at_once == 3
        client.close()


@pytest.mark.slow
def test_throttling_lowers_concurrency_and_good_answers_raise_it():
    with Scripted(Answer(429), *repeated(FINE, 200)) as server:
        client = client_of(server, concurrency=8)
        client.get("/thing", json.loads)
        assert client.governor.allowed == 4
        for _ in range(60):
            client.get("/thing", json.loads)
        assert client.governor.allowed == 8
        client.close()


def test_nobody_there():
    with Scripted(FINE) as server:
        url = server.url
    client = HttpClient(url, HttpSettings(**QUICK, max_tries=2), {})
    with pytest.raises(SourceUnreachableError):
        client.get("/thing", json.loads)
    client.close()


def test_a_slow_server_times_out_and_is_asked_again():
    with Scripted(Answer(wait_s=1.0), FINE) as server:
        client = client_of(server, request_timeout_s=0.3)
        assert client.get("/thing", json.loads) == {"ok": True}
        client.close()


def test_a_check_sees_every_answer_first():
    def refuse(answer):
        if answer.headers.get("X-Login") == "failed":
            raise SourceAuthError("not logged in", "log in")

    with Scripted(Answer(body=b'{"values": []}', headers={"X-Login": "failed"})) as server:
        client = HttpClient(server.url, HttpSettings(**QUICK), {}, refuse)
        with pytest.raises(SourceAuthError):
            client.get("/thing", json.loads)
        client.close()


def test_errors_keep_secrets():
    with Scripted(Answer(500)) as server:
        settings = HttpSettings(**QUICK, max_tries=1, proxy=SecretStr("http://user:hunter2@127.0.0.1:9"))
        with pytest.raises((SourceUnreachableError, SourcePageFailedError)) as caught:
            HttpClient(server.url, settings, {"Authorization": "Basic c2VjcmV0"}).get("/thing", json.loads)
        shown = f"{caught.value} {caught.value.to_json()} {caught.value.__cause__!r} {settings!r}"
        assert "hunter2" not in shown
        assert "c2VjcmV0" not in shown


def test_a_closed_client_can_be_used_again_from_any_thread():
    with Scripted(FINE) as server:
        client = client_of(server)
        client.get("/thing", json.loads)
        client.close()
        thread = threading.Thread(target=lambda: client.get("/thing", json.loads))
        thread.start()
        thread.join()
        assert len(server.arrivals) == 2
        client.close()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("-3", None), (None, None), ("", None), ("soon", None), ("nan", None)],
)
def test_retry_after(value, seconds):
    assert retry_after_s(value) == seconds


def test_retry_after_as_a_date():
    assert retry_after_s(formatdate(1_000_030, usegmt=True), now=lambda: 1_000_000.0) == 30.0


def test_a_request_under_way_when_the_client_is_closed_leaves_no_connection():
    with Scripted(Answer(body=b'{"ok": true}', wait_s=0.3)) as server:
        client = client_of(server)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.get, "/thing", json.loads)
            while not server.arrivals:
                time.sleep(0.01)
            client.close()
            assert asked.result() == {"ok": True}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gc.collect()
        assert not [str(each.message) for each in caught if issubclass(each.category, ResourceWarning)]
