"""What a connector's author says of odd answers, and of filters that take a wall clock."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connectors.http.child_lists import ChildLists
from connectors.http.client import HttpClient, Refusal
from connectors.http.json_api import JsonApi, PagedSettings, decoded
from connectors.http.known_answers import KnownAnswers
from connectors.http.listing import Listing
from connectors.http.paged import AnswerRule, LocalFilter, Page, PageRequest, in_zone
from connectors.http.settings import HttpSettings
from contracts.errors import SourcePageFailedError
from tests.connectors.http.scripted import Answer, Scripted

RULES = (
    AnswerRule(403, "wait", says="secondary RATE", wait_header="X-RateLimit-Reset"),
    AnswerRule(409, "try_again"),
    AnswerRule(200, "try_again", says="maintenance"),
    AnswerRule(400, "expired", says="cursor expired"),
)
FINE = Answer(200, b'{"fine": 1}')


def client_of(server, **settings):
    quick = {"retry_pause_s": 0.001, **settings}
    return closing(HttpClient(server.url, HttpSettings.model_validate(quick), {}, rules=RULES))


@pytest.mark.parametrize(
    "odd", [Answer(403, b"a secondary rate limit"), Answer(409, b"locked"), Answer(200, b'{"now": "Maintenance"}')]
)
def test_an_odd_answer_that_passes(odd):
    with Scripted(odd, odd, FINE) as server, client_of(server) as client:
        assert client.get("/x", decoded) == {"fine": 1}
        assert len(server.arrivals) == 3


@pytest.mark.parametrize("other", [Answer(403, b"you lack a permission"), Answer(400, b"no such field")])
def test_other_answers_with_that_status_are_what_they_are(other):
    with Scripted(other) as server, client_of(server) as client, pytest.raises(Refusal) as caught:
        client.get("/x", decoded)
    assert not caught.value.expired


def test_a_limit_says_until_when_by_the_clock():
    reset = str(int(time.time()) + 3_000)
    limit = Answer(403, b"secondary rate limit", {"X-RateLimit-Reset": reset})
    patient = {"max_wait_s": 60}
    with (
        Scripted(limit, FINE) as server,
        client_of(server, **patient) as client,
        pytest.raises(SourcePageFailedError) as caught,
    ):
        client.get("/x", decoded)
    assert 2_990 < caught.value.retry_after_s <= 3_000


def test_an_expired_cursor_may_be_a_400_and_the_list_begins_again():
    with Scripted(Answer(400, b"the cursor expired"), FINE) as server, client_of(server) as client:
        tokens = []

        def page(request):
            tokens.append(request.token)
            if request.token:
                client.get("/x", decoded)
            return Page([{"id": 2 if request.token else 1}], None if request.token else "more")

        listing = Listing(page, PageRequest("things"), lambda row: row["id"])
        assert [row["id"] for rows in listing for row in rows] == [1, 2]
        assert (tokens, listing.refusal) == ([None, "more", None, "more"], None)


@pytest.mark.parametrize(
    ("moment", "asked"),
    [
        ("2025-06-01T10:20:59.999", "2025-06-01T10:20"),
        ("2025-10-25T23:59:10", "2025-10-25T23:59"),
        ("2025-10-26T00:00:30", "2025-10-25T23:45"),  # 02:00 comes twice in Berlin
        ("2025-10-26T01:59:30", "2025-10-25T23:59"),
        ("2025-10-26T02:00:30", "2025-10-26T02:00"),
        ("2025-03-30T01:00:30", "2025-03-30T01:00"),
    ],
)
def test_a_wall_clock_is_asked_only_by_what_it_shows_once(moment, asked):
    found = LocalFilter("Europe/Berlin").at_or_before(datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(asked).replace(tzinfo=UTC)


def test_a_moment_as_a_wall_clock_shows_it():
    assert in_zone(datetime(2025, 10, 26, 2, 7, 8, tzinfo=UTC), "Europe/Berlin") == "2025-10-26 03:07"


def test_a_filter_that_makes_no_sense():
    with pytest.raises(ValueError, match="no time zone"):
        LocalFilter("Mars/Base")
    with pytest.raises(ValueError, match="a second or more"):
        LocalFilter(step=timedelta(0))
    assert in_zone(None, "Europe/Berlin") is None


ODD_ROW = (AnswerRule(500, "leave_out", says="too large"),)


class OddApi(JsonApi):
    rules = ODD_ROW
    conditional = True


def api_of(server):
    settings = PagedSettings.model_validate({"base_url": server.url, "retry_pause_s": 0.001, "max_tries": 2})
    return closing(OddApi(settings, {}))


def test_a_row_that_is_refused_is_left_out_and_named():
    with (
        Scripted(Answer(200, b'{"id": 1}'), Answer(500, b"row 2 is TOO LARGE"), Answer(404)) as server,
        api_of(server) as api,
    ):
        page = Page([api.get_row("/1"), api.get_row("/2")], total=2)
        assert len(server.arrivals) == 2  # it is not tried again
        listing = Listing(lambda _request: page, PageRequest("things"), lambda row: row["id"])
        assert [row["id"] for rows in listing for row in rows] == [1]
        assert (listing.gaps, listing.expected) == (("left out of things: GET /2: 500 row 2 is TOO LARGE",), 2)
        with pytest.raises(Refusal):
            api.get_row("/3")  # no rule speaks of it


def test_a_list_of_a_parent_that_is_left_out_is_named_and_the_others_are_read():
    with Scripted(Answer(500, b"too large")) as server, api_of(server) as api:

        def page(request):
            return Page([{"id": request.parent["id"]}] if request.parent["id"] != 2 else api.get_json("/2"))

        parents = [{"id": number} for number in (1, 2, 3)]
        lists = ChildLists(page, PageRequest("things"), lambda row: row["id"], parents, lambda: parents, 1)
        assert [row["id"] for rows in lists for row in rows] == [1, 3]
        assert lists.gaps == ("id 2: refused after 0 row(s) of things: GET /2: 500 too large",)


def test_an_answer_with_an_etag_is_confirmed_not_sent_again():
    first = Answer(200, b'{"a": 1}', {"ETag": '"v1"', "Link": '<http://x/next>; rel="next"'})
    changed = Answer(200, b'{"a": 2}', {"ETag": '"v2"'})
    with (
        Scripted(first, Answer(304, b""), Answer(200, b'{"b": 1}'), changed, Answer(304, b"")) as server,
        api_of(server) as api,
    ):
        assert [api.get_linked("/a") for _ in range(2)] == [({"a": 1}, "http://x/next")] * 2
        assert api.get_json("/a", page=2) == {"b": 1}  # another address: nothing is known of it
        assert [api.get_json("/a"), api.get_json("/a")] == [{"a": 2}, {"a": 2}]
        sent = [headers.get("If-None-Match", headers.get("if-none-match")) for headers in server.headers]
    assert sent == [None, '"v1"', None, '"v1"', '"v2"']


def test_answers_that_are_known_take_no_more_room_than_they_may():
    known = KnownAnswers(most_bytes=10)
    for name in "abc":
        known.answer("GET", name, {}, httpx.Response(200, headers={"ETag": name}, content=b"12345"))
    assert [known.condition("GET", name, {}) for name in "abc"] == [{}, {"If-None-Match": "b"}, {"If-None-Match": "c"}]
