"""What a connector's author says of odd answers, and of filters that take a wall clock."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from connectors.http.client import HttpClient, Refusal
from connectors.http.json_api import decoded
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
