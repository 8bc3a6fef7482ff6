"""Decoded answers, links to the next page, and what a refusal may say."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest
from pydantic import SecretStr, ValidationError

from connectors.http.client import Refusal
from connectors.http.errors import refusal_error
from connectors.http.json_api import JsonApi, PagedSettings
from contracts.errors import SourceAuthError, SourcePageFailedError, SourcePrivilegeError
from tests.connectors.http.scripted import Answer, Scripted

SECRET = "s3cret-key-4711"


class Settings(PagedSettings):
    token: SecretStr = SecretStr(SECRET)


@pytest.fixture
def api_of():
    """Clients of a scripted server, closed afterwards."""
    made: list[JsonApi] = []

    def make(server: Scripted) -> JsonApi:
        settings = Settings(base_url=server.url, retry_pause_s=0.01, max_tries=3)
        made.append(JsonApi(settings, {"Authorization": f"Bearer {SECRET}"}))
        return made[-1]

    yield make
    for api in made:
        api.close()


def test_numbers_keep_their_digits(api_of):
    with Scripted(Answer(body=b'{"price": 12.30, "big": 123456789012345678901234567890}')) as server:
        answer = api_of(server).get_json("/v1")
    assert answer == {"price": Decimal("12.30"), "big": 123456789012345678901234567890}
    assert str(answer["price"]) == "12.30"


def test_parameters(api_of):
    moment = datetime(2025, 3, 30, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with Scripted(Answer()) as server:
        api_of(server).get_json("/v1", since=moment, cursor=None, deep=True, tag="a b&c")
        assert server.paths == ["/v1?since=2025-03-29T20%3A00%3A00.000000Z&deep=true&tag=a+b%26c"]


def test_a_link_leads_to_the_next_page(api_of):
    with Scripted(Answer(body=b"[1]"), Answer(body=b"[2]")) as server:
        server.answers[0].headers["Link"] = f'<{server.url}/v1/rows?page=2&q=a%20b>; rel="next", <x>; rel="last"'
        client = api_of(server)
        first, link = client.get_linked("/v1/rows", q="a b")
        second, end = client.get_linked(link)
        assert (first, second, end) == ([1], [2], None)
        assert server.paths[1].startswith("/v1/rows?page=2&q=a")


@pytest.mark.parametrize(
    "elsewhere", ["http://elsewhere.example/v1?page=2", "https://127.0.0.1:1/v1", "{url}.evil.example/v1"]
)
def test_credentials_go_nowhere_else(api_of, elsewhere):
    with Scripted(Answer()) as server:
        with pytest.raises(SourcePageFailedError, match="another server"):
            api_of(server).get_json(elsewhere.replace("{url}", server.url))
        assert server.paths == []


def test_a_secret_that_the_server_repeats_is_not_shown(api_of):
    body = f'{{"error": "no account for {SECRET}, header Bearer {SECRET}"}}'.encode()
    with Scripted(Answer(403, body)) as server:
        with pytest.raises(Refusal) as caught:
            api_of(server).get_json("/v1/rows", api_key=SECRET)
        shown = f"{caught.value} {refusal_error(caught.value).to_json()}"
    assert SECRET not in shown
    assert "no account for" in shown


def test_a_secret_in_a_link_is_not_shown(api_of):
    with Scripted(Answer(500)) as server:
        with pytest.raises(SourcePageFailedError) as caught:
            api_of(server).get_json(f"{server.url}/v1/rows?key={SECRET}")
        assert SECRET not in str(caught.value)
        assert SECRET in server.paths[0]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, SourceAuthError), (403, SourcePrivilegeError), (404, SourcePrivilegeError), (400, SourcePageFailedError)],
)
def test_refusals_have_types(status, kind):
    assert isinstance(refusal_error(Refusal(status, "no", "GET /v1")), kind)


def test_a_login_that_does_not_count_is_an_error_at_once(api_of):
    with Scripted(Answer(401)) as server:
        with pytest.raises(SourceAuthError):
            api_of(server).get_json("/v1")
        assert len(server.paths) == 1


@pytest.mark.parametrize("wrong", [{"base_url": "example.com"}, {"source_system": "My System"}, {"page_size": 0}])
def test_settings_that_make_no_sense(wrong):
    with pytest.raises(ValidationError):
        PagedSettings(**{"base_url": "http://example.com", **wrong})
