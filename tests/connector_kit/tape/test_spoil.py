from __future__ import annotations

import json
import math
import time
from collections import Counter
from email.utils import parsedate_to_datetime

import httpx
import pytest

from connector_kit.tape.pages import (
    Duplicate,
    EditField,
    EditRow,
    EmptyPage,
    Reorder,
    RepeatToken,
    Short,
)
from connector_kit.tape.server import TOO_MANY, TapeServer
from connector_kit.tape.shape import GONE, PageShape, dumps, get, loads, put
from connector_kit.tape.spoil import All, Corrupt, Cut, Delay, Drop, Hang, ServerClock, Status
from connectors.http.client import Refusal
from contracts.errors import SourcePageFailedError, SourceUnreachableError
from tests.connector_kit.tape.paged import ROWS, System, client, read_all

BY_TOKEN = PageShape(items="data", next="next")
BY_LINK = PageShape(items="items", next="next")
BY_NUMBER = PageShape(items="items", page="page", pages="pages")


@pytest.fixture(scope="module")
def system():
    with System() as system:
        yield system


@pytest.fixture
def spoiled(system):
    """A tape with a spoil, and a client to it."""
    running = []

    def start(spoil, **settings):
        tape = TapeServer(system.url, spoil=spoil, most_requests=60)
        tape.__enter__()
        http = client(tape.url, **settings)
        running.append((tape, http))
        return tape, http

    yield start
    for tape, http in running:
        http.close()
        tape.__exit__(None, None, None)
        assert tape.trouble == []


def ids(rows) -> list[int]:
    return [row["id"] for row in rows]


def pages(url: str, path: str, most: int = 20) -> list[list[int]]:
    """Ids by page, following whatever leads on."""
    found, number = [], 1
    with httpx.Client(trust_env=False) as http:
        where = f"{url}{path}"
        while where and len(found) < most:
            said = http.get(where).json()
            found.append(ids(said.get("data", said.get("items"))))
            number += 1
            if "pages" in said:
                where = f"{url}{path}?page={number}" if number <= said["pages"] else ""
            else:
                where = (
                    (f"{url}{path}?cursor={said['next']}" if path == "/rows" else said["next"]) if said["next"] else ""
                )
    return found


def test_a_status_comes_when_asked_for_and_the_client_goes_on(spoiled, system):
    calls = len(system.calls)
    tape, http = spoiled(Status(503, {"Retry-After": "0"}, nth=2, times=2))
    assert ids(read_all(http)) == ids(ROWS)
    assert [one.status for one in tape.requests] == [200, 503, 503, 200, 200, 200]
    assert len(system.calls) - calls == 4
    assert tape.spoil.done == ["GET /rows: answered 503, Retry-After: 0"] * 2
    assert [one.spoiled for one in tape.requests][:2] == ["", "answered 503, Retry-After: 0"]


def test_a_status_for_ever_on_one_path_and_method(spoiled):
    tape, http = spoiled(Status(404, path="/bin", method="GET", times=None))
    read_all(http)
    for _ in range(3):
        with pytest.raises(Refusal):
            http.get("/binary", bytes)
    http.post("/echo", bytes, {"path": "/binary"})
    assert Counter(one.status for one in tape.requests) == {200: 5, 404: 3}


def test_a_delay(spoiled):
    tape, http = spoiled(Delay(0.2, nth=2))
    began = time.monotonic()
    http.get("/binary", bytes)
    http.get("/binary", bytes)
    assert time.monotonic() - began >= 0.2
    assert [one.seconds >= 0.2 for one in tape.requests] == [False, True]
    assert tape.spoil.done == ["GET /binary: waited 0.2 s"]


def test_no_answer_ever(spoiled):
    tape, http = spoiled(Hang(times=None), request_timeout_s=0.2, max_tries=2)
    with pytest.raises(SourceUnreachableError):
        http.get("/rows", bytes)
    assert tape.spoil.done == ["GET /rows: never answered"] * 2


@pytest.mark.parametrize("spoil", [Drop(times=None), Cut(times=None), Cut(0, times=None), Cut(10**9, times=None)])
def test_connections_that_break(spoiled, spoil):
    tape, http = spoiled(spoil, max_tries=2)
    with pytest.raises(SourceUnreachableError):
        http.get("/binary", bytes)
    tape.spoil = None
    assert len(http.get("/binary", bytes)) == 256
    assert len(spoil.done) == 2
    assert "reset the connection" in spoil.done[0]


def test_a_cut_says_where(spoiled):
    tape, http = spoiled(Cut(10))
    assert len(http.get("/binary", bytes)) == 256
    assert tape.spoil.done == ["GET /binary: reset the connection after 10 of 256 bytes of the body"]
    assert [one.size_bytes for one in tape.requests] == [10, 256]


@pytest.mark.parametrize("spoil", [Corrupt(times=None), Corrupt(b"<html>", times=None)])
def test_a_corrupt_body_is_framed_as_whole(spoiled, spoil):
    tape, http = spoiled(spoil, max_tries=2)
    with pytest.raises(SourcePageFailedError, match="cannot be read"):
        http.get("/rows", json.loads)
    assert [one.status for one in tape.requests] == [200, 200]
    assert "corrupt body" in spoil.done[0]


def test_half_of_a_number_is_no_number(spoiled):
    tape, http = spoiled(Corrupt())
    assert http.send("POST", "/echo", json.loads, content=b"1234") == 1234
    assert len(tape.requests) == 2


@pytest.mark.parametrize("offset_s", [-7200, 86400])
def test_the_servers_clock(spoiled, offset_s):
    tape, _ = spoiled(ServerClock(offset_s))
    before = time.time()
    with httpx.Client(trust_env=False) as http:
        dates = [parsedate_to_datetime(http.get(f"{tape.url}/rows").headers["Date"]).timestamp() for _ in range(2)]
    assert all(before - 1 <= date - offset_s <= time.time() + 1 for date in dates)
    assert len(tape.spoil.done) == 2


def test_several_at_once(spoiled):
    first, second = Status(500), Reorder(BY_TOKEN, nth=2)
    tape, http = spoiled(All(first, second))
    rows = ids(read_all(http))
    assert sorted(rows) == ids(ROWS)
    assert rows != ids(ROWS)
    assert tape.spoil.done == [*first.done, *second.done]
    assert len(tape.spoil.done) == 2


def test_rows_in_another_order(spoiled):
    tape, http = spoiled(Reorder(BY_TOKEN, times=None))
    rows = ids(read_all(http))
    assert [sorted(rows[at : at + 3]) for at in range(0, 10, 3)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]
    assert all(rows[at : at + 3] != sorted(rows[at : at + 3]) for at in range(0, 9, 3))
    assert tape.spoil.done == ["GET /rows: sent the page's 3 rows in another order"] * 3


@pytest.mark.parametrize(("path", "shape"), [("/rows", BY_TOKEN), ("/linked", BY_LINK), ("/numbered", BY_NUMBER)])
class TestRowsThatMove:
    """Whatever moves, nothing is lost, however pages are counted."""

    def test_a_short_page(self, spoiled, path, shape):
        tape, _ = spoiled(Short(shape, nth=2))
        assert pages(tape.url, path) == [[0, 1, 2], [3], [4, 5, 6], [7, 8, 9]]
        assert tape.spoil.done == [f"GET {path}: sent 1 of 3 rows, the others come on the next page"]

    def test_an_empty_page(self, spoiled, path, shape):
        tape, _ = spoiled(EmptyPage(shape, nth=1))
        assert pages(tape.url, path) == [[], [0, 1, 2], [3, 4, 5], [6, 7, 8, 9]]
        assert tape.spoil.done == [f"GET {path}: sent 0 of 3 rows, the others come on the next page"]

    def test_every_page_short(self, spoiled, path, shape):
        tape, _ = spoiled(Short(shape, times=None))
        found = pages(tape.url, path)
        assert [row for page in found for row in page] == ids(ROWS)
        assert len(found[0]) == 1

    def test_rows_twice(self, spoiled, path, shape):
        tape, _ = spoiled(Duplicate(shape, nth=2))
        assert pages(tape.url, path) == [[0, 1, 2], [3, 4, 5], [5, 6, 7, 8], [9]]
        assert tape.spoil.done == [f"GET {path}: the last 1 rows come again on the next page"]

    def test_rows_twice_on_the_last_page(self, spoiled, path, shape):
        tape, _ = spoiled(Duplicate(shape, rows=5, nth=4))
        assert pages(tape.url, path)[-1] == [9, 9]
        assert "on the same page" in tape.spoil.done[0]

    def test_asking_again_gives_the_same(self, spoiled, path, shape):
        tape, _ = spoiled(All(Short(shape, nth=1), Status(500, nth=2)))
        assert pages(tape.url, path, most=1) == [[0]]
        with httpx.Client(trust_env=False) as http:
            follow = {"/rows": "?cursor=t3", "/linked": "?from=3", "/numbered": "?page=2"}[path]
            assert http.get(f"{tape.url}{path}{follow}").status_code == 500
            for _ in range(2):
                said = http.get(f"{tape.url}{path}{follow}").json()
                assert ids(said.get("data", said.get("items"))) == [1, 2, 3]


def test_short_pages_of_chains_that_run_at_once_do_not_mix(spoiled):
    tape, _ = spoiled(Short(BY_LINK, times=2))
    with httpx.Client(trust_env=False) as http:
        first, second = (http.get(f"{tape.url}/linked?from={start}").json() for start in (0, 4))
        assert [ids(first["items"]), ids(second["items"])] == [[0], [4]]
        after_second, after_first = (ids(http.get(one["next"]).json()["items"]) for one in (second, first))
        assert after_second[:2] == [5, 6]
        assert after_first[:2] == [1, 2]


def test_a_single_page_is_never_short(spoiled):
    tape, http = spoiled(Short(BY_TOKEN))
    assert ids(http.get("/rows", json.loads, {"cursor": "t9"})["data"]) == [9]
    assert tape.spoil.done == []


@pytest.mark.parametrize(("path", "shape"), [("/rows", BY_TOKEN), ("/linked", BY_LINK)])
def test_a_token_that_repeats(spoiled, path, shape):
    tape, _ = spoiled(RepeatToken(shape, nth=2))
    found = pages(tape.url, path, most=9)
    assert found[:4] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [6, 7, 8]]
    assert len(found) == 9
    assert tape.spoil.done[0] == f"GET {path}: the token of the next page is the one that led to this page"


def test_a_client_that_follows_a_repeated_token_is_stopped(spoiled):
    tape, http = spoiled(RepeatToken(BY_TOKEN))
    tape.most_requests = 6
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
def test_a_field_gets_another_value(spoiled, name, value, text):
    tape, http = spoiled(EditField(BY_TOKEN, name, value, rows=1, times=1))
    first = http.get("/rows", bytes).decode()
    assert text in first
    assert first.count(text) == 1
    assert tape.spoil.done[0].startswith(f"GET /rows: field {name} ")
    assert ids(json.loads(first)["data"]) == [0, 1, 2]
    assert '"price":1.50' in first


def test_rows_edited_by_a_function(spoiled):
    def edit(row):
        return None if row["id"] == 4 else {**row, "id": -5} if row["id"] == 5 else row

    tape, http = spoiled(EditRow(BY_TOKEN, edit, "4 left out, 5 renamed"))
    assert ids(read_all(http)) == [0, 1, 2, 3, -5, 6, 7, 8, 9]
    assert tape.spoil.done == ["GET /rows: 4 left out, 5 renamed: 2 of 3 rows"]


def test_a_mistake_in_the_function_is_not_hidden(system):
    with TapeServer(system.url, spoil=EditRow(BY_TOKEN, lambda row: int(f"x{row}"))) as tape:
        http = client(tape.url, max_tries=1)
        with pytest.raises(SourceUnreachableError):
            http.get("/rows", bytes)
        http.close()
        assert "ValueError" in tape.trouble[0]


def test_other_answers_than_pages_pass_and_are_not_counted(spoiled):
    tape, http = spoiled(EmptyPage(BY_TOKEN))
    assert len(http.get("/binary", bytes)) == 256
    assert http.get("/count", json.loads) > 0
    for path in ("/nothing", "/refused"):
        with pytest.raises(Refusal):
            http.get(path, bytes)
    assert tape.spoil.done == []
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
