from __future__ import annotations

import json
import math
import time
from collections import Counter
from email.utils import parsedate_to_datetime

import httpx
import pytest

from connector_kit.recording.faults import (
    AllFaults,
    CorruptBody,
    DelayResponse,
    NeverRespond,
    ResetConnection,
    RespondWithStatus,
    ShiftServerClock,
    TruncateBody,
)
from connector_kit.recording.messages import RecordedRequest, RecordedResponse
from connector_kit.recording.page_faults import (
    EditField,
    EditRow,
    EmptyPage,
    ReorderRows,
    RepeatRows,
    RepeatToken,
    ShortenPage,
)
from connector_kit.recording.page_shape import GONE, PageShape, dumps, get, loads, put
from connector_kit.recording.proxy import TOO_MANY, RecordingProxy
from connectors.http.client import Refusal
from contracts.errors import SourcePageFailedError, SourceUnreachableError
from tests.connector_kit.recording.paged_site import ROWS, System, client, read_all

BY_TOKEN = PageShape(items="data", next="next")
BY_LINK = PageShape(items="items", next="next")
BY_NUMBER = PageShape(items="items", page="page", pages="pages")


@pytest.fixture(scope="module")
def system():
    with System() as system:
        yield system


@pytest.fixture
def proxy_with(system):
    """A proxy with a fault, and a client to it."""
    running = []

    def start(fault, **settings):
        proxy = RecordingProxy(system.url, fault=fault, most_requests=60)
        proxy.__enter__()
        http = client(proxy.url, **settings)
        running.append((proxy, http))
        return proxy, http

    yield start
    for proxy, http in running:
        http.close()
        proxy.__exit__(None, None, None)
        assert proxy.trouble == []


def ids(rows) -> list[int]:
    return [row["id"] for row in rows]


def pages(url: str, path: str, most: int = 20) -> list[list[int]]:
    """Ids by page, following whatever leads on."""
    keys, number = [], 1
    with httpx.Client(trust_env=False) as http:
        where = f"{url}{path}"
        while where and len(keys) < most:
            body = http.get(where).json()
            keys.append(ids(body.get("data", body.get("items"))))
            number += 1
            if "pages" in body:
                where = f"{url}{path}?page={number}" if number <= body["pages"] else ""
            else:
                where = (
                    (f"{url}{path}?cursor={body['next']}" if path == "/rows" else body["next"]) if body["next"] else ""
                )
    return keys


def test_a_status_comes_when_asked_for_and_the_client_goes_on(proxy_with, system):
    calls = len(system.calls)
    proxy, http = proxy_with(RespondWithStatus(503, {"Retry-After": "0"}, nth=2, times=2))
    assert ids(read_all(http)) == ids(ROWS)
    assert [one.status for one in proxy.requests] == [200, 503, 503, 200, 200, 200]
    assert len(system.calls) - calls == 4
    assert proxy.fault.done == ["GET /rows: answered 503, Retry-After: 0"] * 2
    assert [one.fault for one in proxy.requests][:2] == ["", "answered 503, Retry-After: 0"]


def test_a_status_for_ever_on_one_path_and_method(proxy_with):
    proxy, http = proxy_with(RespondWithStatus(404, path="/bin", method="GET", times=None))
    read_all(http)
    for _ in range(3):
        with pytest.raises(Refusal):
            http.get("/binary", bytes)
    http.post("/echo", bytes, {"path": "/binary"})
    assert Counter(one.status for one in proxy.requests) == {200: 5, 404: 3}


def test_a_delay(proxy_with):
    proxy, http = proxy_with(DelayResponse(0.2, nth=2))
    began = time.monotonic()
    http.get("/binary", bytes)
    http.get("/binary", bytes)
    assert time.monotonic() - began >= 0.2
    assert [one.seconds >= 0.2 for one in proxy.requests] == [False, True]
    assert proxy.fault.done == ["GET /binary: waited 0.2 s"]


def test_no_answer_ever(proxy_with):
    proxy, http = proxy_with(NeverRespond(times=None), request_timeout_s=0.2, max_tries=2)
    with pytest.raises(SourceUnreachableError):
        http.get("/rows", bytes)
    assert proxy.fault.done == ["GET /rows: never answered"] * 2


@pytest.mark.parametrize(
    "fault",
    [
        ResetConnection(times=None),
        TruncateBody(times=None),
        TruncateBody(0, times=None),
        TruncateBody(10**9, times=None),
    ],
)
def test_connections_that_break(proxy_with, fault):
    proxy, http = proxy_with(fault, max_tries=2)
    with pytest.raises(SourceUnreachableError):
        http.get("/binary", bytes)
    proxy.fault = None
    assert len(http.get("/binary", bytes)) == 256
    assert len(fault.done) == 2
    assert "reset the connection" in fault.done[0]


def test_a_cut_says_where(proxy_with):
    proxy, http = proxy_with(TruncateBody(10))
    assert len(http.get("/binary", bytes)) == 256
    assert proxy.fault.done == ["GET /binary: reset the connection after 10 of 256 bytes of the body"]
    assert [one.size_bytes for one in proxy.requests] == [10, 256]


@pytest.mark.parametrize("fault", [CorruptBody(times=None), CorruptBody(b"<html>", times=None)])
def test_a_corrupt_body_is_framed_as_whole(proxy_with, fault):
    proxy, http = proxy_with(fault, max_tries=2)
    with pytest.raises(SourcePageFailedError, match="cannot be read"):
        http.get("/rows", json.loads)
    assert [one.status for one in proxy.requests] == [200, 200]
    assert "corrupt body" in fault.done[0]


def test_half_of_a_number_is_no_number(proxy_with):
    proxy, http = proxy_with(CorruptBody())
    assert http.send("POST", "/echo", json.loads, content=b"1234") == 1234
    assert len(proxy.requests) == 2


@pytest.mark.parametrize("offset_s", [-7200, 86400])
def test_the_servers_clock(proxy_with, offset_s):
    proxy, _ = proxy_with(ShiftServerClock(offset_s))
    before = time.time()
    with httpx.Client(trust_env=False) as http:
        dates = [parsedate_to_datetime(http.get(f"{proxy.url}/rows").headers["Date"]).timestamp() for _ in range(2)]
    assert all(before - 1 <= date - offset_s <= time.time() + 1 for date in dates)
    assert len(proxy.fault.done) == 2


def test_several_at_once(proxy_with):
    first, second = RespondWithStatus(500), ReorderRows(BY_TOKEN, nth=2)
    proxy, http = proxy_with(AllFaults(first, second))
    rows = ids(read_all(http))
    assert sorted(rows) == ids(ROWS)
    assert rows != ids(ROWS)
    assert proxy.fault.done == [*first.done, *second.done]
    assert len(proxy.fault.done) == 2


def test_rows_in_another_order(proxy_with):
    proxy, http = proxy_with(ReorderRows(BY_TOKEN, times=None))
    rows = ids(read_all(http))
    assert [sorted(rows[at : at + 3]) for at in range(0, 10, 3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert all(rows[at : at + 3] != sorted(rows[at : at + 3]) for at in range(0, 9, 3))
    assert proxy.fault.done == ["GET /rows: sent the page's 3 rows in another order"] * 3


@pytest.mark.parametrize(("path", "shape"), [("/rows", BY_TOKEN), ("/linked", BY_LINK), ("/numbered", BY_NUMBER)])
class TestRowsThatMove:
    """Whatever moves, nothing is lost, however pages are counted."""

    def test_a_short_page(self, proxy_with, path, shape):
        proxy, _ = proxy_with(ShortenPage(shape, nth=2))
        assert pages(proxy.url, path) == [[0, 1, 2], [3], [4, 5, 6], [7, 8, 9]]
        assert proxy.fault.done == [f"GET {path}: sent 1 of 3 rows, the others come on the next page"]

    def test_an_empty_page(self, proxy_with, path, shape):
        proxy, _ = proxy_with(EmptyPage(shape, nth=1))
        assert pages(proxy.url, path) == [[], [0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
        assert proxy.fault.done == [f"GET {path}: sent 0 of 3 rows, the others come on the next page"]

    def test_every_page_short(self, proxy_with, path, shape):
        proxy, _ = proxy_with(ShortenPage(shape, times=None))
        keys = pages(proxy.url, path)
        assert [row for page in keys for row in page] == ids(ROWS)
        assert len(keys[0]) == 1

    def test_rows_twice(self, proxy_with, path, shape):
        proxy, _ = proxy_with(RepeatRows(shape, nth=2))
        assert pages(proxy.url, path) == [[0, 1, 2], [3, 4, 5], [5, 6, 7, 8], [9]]
        assert proxy.fault.done == [f"GET {path}: the last 1 rows come again on the next page"]

    def test_rows_twice_on_the_last_page(self, proxy_with, path, shape):
        proxy, _ = proxy_with(RepeatRows(shape, rows=5, nth=4))
        assert pages(proxy.url, path)[-1] == [9, 9]
        assert "on the same page" in proxy.fault.done[0]

    def test_asking_again_gives_the_same(self, proxy_with, path, shape):
        proxy, _ = proxy_with(AllFaults(ShortenPage(shape, nth=1), RespondWithStatus(500, nth=2)))
        assert pages(proxy.url, path, most=1) == [[0]]
        with httpx.Client(trust_env=False) as http:
            follow = {"/rows": "?cursor=t3", "/linked": "?from=3", "/numbered": "?page=2"}[path]
            assert http.get(f"{proxy.url}{path}{follow}").status_code == 500
            for _ in range(2):
                body = http.get(f"{proxy.url}{path}{follow}").json()
                assert ids(body.get("data", body.get("items"))) == [1, 2, 3]


def test_short_pages_of_chains_that_run_at_once_do_not_mix(proxy_with):
    proxy, _ = proxy_with(ShortenPage(BY_LINK, times=2))
    with httpx.Client(trust_env=False) as http:
        first, second = (http.get(f"{proxy.url}/linked?from={start}").json() for start in (0, 4))
        assert [ids(first["items"]), ids(second["items"])] == [[0], [4]]
        after_second, after_first = (ids(http.get(one["next"]).json()["items"]) for one in (second, first))
        assert after_second[:2] == [5, 6]
        assert after_first[:2] == [1, 2]


def test_a_single_page_is_never_short(proxy_with):
    proxy, http = proxy_with(ShortenPage(BY_TOKEN))
    assert ids(http.get("/rows", json.loads, {"cursor": "t9"})["data"]) == [9]
    assert proxy.fault.done == []


@pytest.mark.parametrize(("path", "shape"), [("/rows", BY_TOKEN), ("/linked", BY_LINK)])
def test_a_token_that_repeats(proxy_with, path, shape):
    proxy, _ = proxy_with(RepeatToken(shape, nth=2))
    keys = pages(proxy.url, path, most=9)
    assert keys[:4] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [6, 7, 8]]
    assert len(keys) == 9
    assert proxy.fault.done[0] == f"GET {path}: the token of the next page is the one that led to this page"


def test_a_client_that_follows_a_repeated_token_is_stopped(proxy_with):
    proxy, http = proxy_with(RepeatToken(BY_TOKEN))
    proxy.most_requests = 6
    with pytest.raises(Refusal) as caught:
        read_all(http)
    assert caught.value.status == TOO_MANY


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("note", "a\0b", r'"note":"a\u0000b"'),
        ("note", "\ud800", r'"note":"\ud800"'),
        ("price", math.nan, '"price":NaN'),
        ("price", 10**40, f'"price":1{"0" * 40}'),
        ("extra", {"a": [1]}, '"extra":{"a":[1]}'),
        ("extra.deep", None, '"extra":{"deep":null}'),
        ("note", "", '"note":""'),
        ("note", GONE, '{"id":0,"price":0.50}'),
    ],
)
def test_a_field_gets_another_value(proxy_with, name, value, text):
    proxy, http = proxy_with(EditField(BY_TOKEN, name, value, rows=1, times=1))
    first = http.get("/rows", bytes).decode()
    assert text in first
    assert first.count(text) == 1
    assert proxy.fault.done[0].startswith(f"GET /rows: field {name} ")
    assert ids(json.loads(first)["data"]) == [0, 1, 2]
    assert '"price":1.50' in first


def test_rows_edited_by_a_function(proxy_with):
    def edit(row):
        return None if row["id"] == 4 else {**row, "id": -5} if row["id"] == 5 else row

    proxy, http = proxy_with(EditRow(BY_TOKEN, edit, "4 left out, 5 renamed"))
    assert ids(read_all(http)) == [0, 1, 2, 3, -5, 6, 7, 8, 9]
    assert proxy.fault.done == ["GET /rows: 4 left out, 5 renamed: 2 of 3 rows"]


def test_a_mistake_in_the_function_is_not_hidden(system):
    with RecordingProxy(system.url, fault=EditRow(BY_TOKEN, lambda row: int(f"x{row}"))) as proxy:
        http = client(proxy.url, max_tries=1)
        with pytest.raises(SourceUnreachableError):
            http.get("/rows", bytes)
        http.close()
        assert "ValueError" in proxy.trouble[0]


def test_other_answers_than_pages_pass_and_are_not_counted(proxy_with):
    proxy, http = proxy_with(EmptyPage(BY_TOKEN))
    assert len(http.get("/binary", bytes)) == 256
    assert http.get("/count", json.loads) > 0
    for path in ("/nothing", "/refused"):
        with pytest.raises(Refusal):
            http.get(path, bytes)
    assert proxy.fault.done == []
    assert ids(http.get("/rows", json.loads)["data"]) == []


def test_what_is_not_edited_stays_to_the_last_digit():
    text = b'{"a":12.30,"b":12345678901234567890.10,"c":[1e400,-0.0,10],"d":"\\u00e9\\ud800"}'
    assert loads(dumps(loads(text))) == loads(text)
    assert b"12.30" in dumps(loads(text))
    assert b"12345678901234567890.10" in dumps(loads(text))


def test_places_in_pages():
    page = {"meta": {"next": 5}, "rows": [1]}
    shape = PageShape(items="rows", next="meta.next")
    assert shape.token(page) == "5"
    assert shape.with_token(page, "7") == {"meta": {"next": 7}, "rows": [1]}
    assert PageShape(items="").rows([1, 2]) == [1, 2]
    assert PageShape(items="").with_rows([1], [2]) == [2]
    assert shape.rows({"rows": {}}) is None
    assert get(page, "meta.next.deeper") is None
    assert put({"a": {"b": 1, "c": 2}}, "a.b", GONE) == {"a": {"c": 2}}
    assert put({"a": 1}, "x.y", 2) == {"a": 1, "x": {"y": 2}}
    assert page == {"meta": {"next": 5}, "rows": [1]}


def test_a_page_whose_next_is_in_a_header_can_be_edited():
    shape = PageShape(items="", link=True)
    headers = (("Link", '<http://host/rows?after=5>; rel="next", <http://host/rows>; rel="first"'),)
    answer = RecordedResponse(200, headers, b"[1, 2]")
    page = shape.opened(answer)
    assert (shape.rows(page), shape.token(page)) == ([1, 2], "http://host/rows?after=5")
    edited = shape.closed(shape.with_token(shape.with_rows(page, [3]), "http://other/x"), answer)
    assert (edited.body, edited.header("link")) == (b"[3]", '<http://other/x>; rel="next"')
    last = RecordedResponse(200, (), b"[9]")
    assert shape.token(shape.opened(last)) is None
    assert shape.closed(shape.opened(last), last) == last


def test_a_page_by_position_is_shortened_and_the_rest_is_left_to_its_position():
    fault = ShortenPage(PageShape("rows", offset="startAt"), times=None)
    request = RecordedRequest("GET", "/rows?startAt=0")
    short = fault.edited(request, RecordedResponse(200, (), b'{"rows": [1, 2, 3, 4]}'))
    assert loads(short.body) == {"rows": [1, 2]}
    assert loads(fault.edited(request, RecordedResponse(200, (), b'{"rows": [7]}')).body) == {"rows": [7]}
