"""The sandbox's lending service does what its description says: each test names the fact it stands for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime

import httpx
import pytest

from sandbox.openshelf import SandboxOpenshelf, ShelfFaults, ShelfSite
from sandbox.openshelf.site import moments, written


@pytest.fixture
def shelf():
    with SandboxOpenshelf(ShelfSite(books=250, authors=120, loans=40)) as server:
        yield server


@pytest.fixture
def http(shelf):
    headers = {"Authorization": f"Bearer {shelf.token}"}
    with httpx.Client(base_url=f"{shelf.url}/v1", headers=headers, trust_env=False) as client:
        yield client


def listed(http, path, **query):
    rows, cursor = [], None
    while True:
        page = http.get(path, params={**query, **({"cursor": cursor} if cursor else {})}).json()
        rows += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows, page["total"]


def test_a_token_is_needed(shelf, http):
    assert http.get("/me").json()["name"] == "Reader"
    shelf.expired = True
    assert http.get("/me").status_code == 401
    assert httpx.get(f"{shelf.url}/v1/books", trust_env=False).status_code == 401


def test_the_same_arguments_make_the_same_service():
    assert ShelfSite(books=50).rows("books") == ShelfSite(books=50).rows("books")
    assert ShelfSite(books=50, seed=2).rows("books") != ShelfSite(books=50).rows("books")


def test_cursors_lead_through_every_row_once(shelf, http):
    rows, total = listed(http, "/books", limit=7)
    assert [row["id"] for row in rows] == [key for _, key in shelf.site.changed("books", None, None)]
    assert total == len(rows) == 250


def test_windows_are_closed_below_and_open_above(shelf, http):
    middle = sorted(moments(shelf.site.rows("books")))[120]
    below, _ = listed(http, "/books", updated_before=written(middle))
    above, _ = listed(http, "/books", updated_since=written(middle))
    assert len(below) + len(above) == 250
    assert all(moment >= middle for moment in moments(above))
    assert all(moment < middle for moment in moments(below))


def test_many_rows_share_a_millisecond(shelf):
    assert max(Counter(moments(shelf.site.rows("books"))).values()) >= 30


def test_moments_are_written_in_several_zones(shelf):
    assert len({row["updated_at"][23:] for row in shelf.site.rows("books")}) >= 4


def test_prices_are_exact_numbers(shelf, http):
    text = http.get("/books", params={"limit": 100}).text
    prices = {row["id"]: row["price"] for row in json.loads(text, parse_float=Decimal)["data"]}
    truth = {row["id"]: row["price"] for row in shelf.site.rows("books")}
    assert prices
    assert all(truth[key] == price for key, price in prices.items())
    assert '"price":"' not in text


def test_authors_are_numbered_pages(shelf, http):
    pages = [http.get("/authors", params={"page": number}).json() for number in (1, 2, 3)]
    assert [row for page in pages for row in page["items"]] == shelf.site.rows("authors")
    assert {page["pages"] for page in pages} == {3}


def test_removed_rows_vanish_and_edited_ones_come_last(shelf, http):
    first, second = (row["id"] for row in shelf.site.rows("books")[:2])
    shelf.site.remove("books", first)
    shelf.site.edit("books", second, title="again")
    rows, total = listed(http, "/books")
    assert total == 249
    assert (rows[-1]["id"], rows[-1]["title"]) == (second, "again")
    assert datetime.fromisoformat(rows[-1]["updated_at"]).astimezone(UTC) == shelf.site.now


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/books", {"updated_since": "2025-01-01T00:00:00"}),
        ("/books", {"updated_since": "yesterday"}),
        ("/books", {"limit": "101"}),
        ("/books", {"limit": "0"}),
        ("/books", {"cursor": "mine"}),
        ("/loans", {"updated_before": "2025-01-01T00:00:00Z"}),
    ],
)
def test_what_makes_no_sense_is_refused(http, path, query):
    assert http.get(path, params=query).status_code == 400


def test_a_cursor_belongs_to_its_list_and_expires(shelf, http):
    cursor = http.get("/books", params={"limit": 5}).json()["next_cursor"]
    assert http.get("/loans", params={"cursor": cursor}).status_code == 400
    assert http.get("/books", params={"cursor": cursor}).status_code == 200
    shelf.behaviour.cursor_lives = 1
    assert http.get("/books", params={"cursor": cursor}).status_code == 410


def test_short_and_empty_pages_still_lead_on(shelf, http):
    shelf.behaviour.short_pages = True
    rows, _ = listed(http, "/books", limit=40)
    assert len({row["id"] for row in rows}) == 250
    assert len(shelf.requests_to("/v1/books")) > 7


def test_keys_alone_can_be_listed(http):
    assert http.get("/books", params={"fields": "id", "limit": 1}).json()["data"][0].keys() == {"id"}


def test_the_rate_limit_says_how_long_to_wait(shelf, http):
    shelf.faults = ShelfFaults(most_per_s=3, retry_after_s=2)
    answers = [http.get("/me") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert {answer.headers["Retry-After"] for answer in answers if answer.status_code == 429} == {"2"}


def test_the_date_is_the_services_own(shelf, http):
    assert parsedate_to_datetime(http.get("/me").headers["Date"]) == shelf.site.now.replace(microsecond=0)


def test_ordered_faults(shelf, http):
    shelf.faults.fail_next = [(503, "/v1/books")]
    assert [http.get("/me").status_code, http.get("/books").status_code, http.get("/books").status_code] == [
        200, 503, 200,
    ]  # fmt: skip
    shelf.faults = ShelfFaults(cut=1.0)
    with pytest.raises(httpx.HTTPError):
        http.get("/books")
    shelf.faults = ShelfFaults(corrupt=1.0)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        http.get("/books").json()


def test_a_book_can_be_changed(shelf, http):
    key = shelf.site.rows("books")[0]["id"]
    before = shelf.site.now
    assert http.patch(f"/books/{key}", json={"price": 12.35}).json()["price"] == 12.35
    assert shelf.site.row("books", key)["price"] == Decimal("12.35")
    assert [row["id"] for row in listed(http, "/books", updated_since=written(before))[0]] == [key]
    assert http.patch("/books/7", json={}).status_code == 404
    assert http.patch(f"/books/{key}", json={"updated_at": "x"}).status_code == 400
    assert http.patch(f"/books/{key}", content=b"[1]").status_code == 400


def test_it_can_be_started_alone():
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox.openshelf", "--books", "3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        access = json.loads(started.stdout.readline())
        headers = {"Authorization": f"Bearer {access['token']}"}
        answer = httpx.get(f"{access['base_url']}/v1/books", headers=headers, trust_env=False).json()
        started.stdin.close()
        assert started.wait(10) == 0
    assert answer["total"] == 3
