"""The sandbox's Confluence against the documented API, point by point. Each test names the fact it stands for."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import urljoin

import httpx
import pytest

from sandbox.confluence import ConfluenceFaults, ConfluenceSite, SandboxConfluence

V2, V1 = "/wiki/api/v2", "/wiki/rest/api"


@pytest.fixture
def wiki():
    with SandboxConfluence(faults=ConfluenceFaults(size_budget=200_000)) as server:
        yield server


@pytest.fixture
def http(wiki):
    with httpx.Client(base_url=wiki.url, auth=(wiki.email, wiki.token), trust_env=False) as client:
        yield client


def walk(http, path, **query):
    """Every row, by ``_links.next`` against the root of the site, and how many pages."""
    rows, answers = [], 0
    answer = http.get(path, params=query or None)
    while True:
        assert answer.status_code == 200, answer.text
        body, answers = answer.json(), answers + 1
        rows += body["results"]
        if not (following := body["_links"].get("next")):
            assert 'rel="next"' not in answer.headers["Link"]
            return rows, answers
        assert following.startswith(f"{V2}/")
        assert body["_links"]["base"].endswith("/wiki")
        assert f'<{following}>; rel="next"' in answer.headers["Link"]
        answer = http.get(urljoin(str(http.base_url), following))


def ids(rows):
    return [row["id"] for row in rows]


def moment(text):
    assert text.endswith("Z")
    assert len(text) == len("2024-01-01T00:00:00.000Z")
    return datetime.fromisoformat(text)


def test_lists_hold_the_truth_after_changes(wiki, http):
    wiki.site.churn(150, random.Random(3))
    site = wiki.site
    pages = walk(http, f"{V2}/pages", limit=250, **{"body-format": "storage"})[0]
    pages += walk(http, f"{V2}/blogposts", limit=250, **{"body-format": "storage"})[0]
    truth = site.truth("page")
    assert {
        (row["id"], row["title"], row["status"], row["version"]["number"], row["body"]["storage"]["value"])
        for row in pages
    } == {(key, row["title"], row["status"], row["version"], row["body"]) for key, row in truth.items()}
    assert all(moment(row["version"]["createdAt"]) == truth[row["id"]]["last_modified"] for row in pages)
    assert set(ids(walk(http, f"{V2}/attachments")[0])) == site.truth("attachment").keys()
    comments = walk(http, f"{V2}/footer-comments", limit=99)[0] + walk(http, f"{V2}/inline-comments")[0]
    assert sorted(ids(comments)) == sorted(site.truth("comment"))
    assert set(ids(walk(http, f"{V2}/spaces", limit=1)[0])) == site.truth("space").keys()
    labelled = {
        (row["id"], label["id"])
        for label in walk(http, f"{V2}/labels")[0]
        for kind in ("pages", "blogposts", "attachments")
        for row in walk(http, f"{V2}/labels/{label['id']}/{kind}", limit=250)[0]
    }
    assert labelled == {(row["content_id"], row["label_id"]) for row in site.truth("label").values()}


def test_what_hangs_on_one_page(wiki, http):
    site = wiki.site
    page = site.create_page(
        "ENG", "Home & <away>", (("issue", "ENG-1"), ("issue", "ENG-1"), ("decoy", "https://d.example"))
    )
    top = site.comment(page, "<p>a</p>", inline=True)
    reply = site.comment(page, "<p>b</p>", parent=top)
    file = site.attach(page, "a.txt")
    site.add_label(page, "todo")
    site.edit(page, body="two", minor=True)
    assert ids(walk(http, f"{V2}/pages/{page}/inline-comments")[0]) == [top], "roots only"
    (child,) = walk(http, f"{V2}/inline-comments/{top}/children")[0]
    assert (child["id"], child["parentCommentId"], "pageId" in child) == (reply, top, False)
    assert ids(walk(http, f"{V2}/pages/{page}/attachments")[0]) == [file]
    assert [one["number"] for one in walk(http, f"{V2}/pages/{page}/versions")[0]] == [2, 1], "newest first"
    one = http.get(
        f"{V2}/pages/{page}", params={"include-labels": "true", "version": 1, "body-format": "storage"}
    ).json()
    assert (one["labels"]["results"][0]["name"], one["version"]["number"]) == ("todo", 1)
    assert "ENG-1" in one["body"]["storage"]["value"]
    assert http.get(f"{V2}/pages/{page}").json()["body"] == {}
    assert http.get(f"{V2}/blogposts/{page}").status_code == 404
    assert http.get(f"{V2}/pages/{page}", params={"version": 9}).status_code == 404


def test_links_are_counted_by_intent():
    site = ConfluenceSite(pages=5)
    page = site.create_page(
        "ENG", "t", (("issue", "ENG-1"), ("issue", "ENG-1"), ("decoy", "https://d.example"), ("page", "", "X & Y", ""))
    )
    found = {key[1:]: row["occurrences"] for key, row in site.truth("link").items() if key[0] == page}
    assert found == {("issue", "ENG-1"): 2, ("page", "ENG:X & Y"): 1}
    assert 'ri:content-title="X &amp; Y"' in site.truth("page")[page]["body"]


def test_only_edits_change_the_version(wiki):
    site = wiki.site
    page = site.create_page("ENG", "t")
    child = site.create_page("ENG", "c", parent=page)
    before = site.truth("page")[page]
    site.advance(60)
    site.comment(page, "x")
    site.attach(page, "x")
    site.add_label(page, "todo")
    site.restrict(page, "read", group="g")
    site.move(page, space="OPS")
    site.trash(page)
    assert page not in site.truth("page")
    assert not [one for one in site.truth("comment").values() if one["container_id"] == page]
    site.restore(page)
    after = site.truth("page")[page]
    assert (after["version"], after["last_modified"]) == (before["version"], before["last_modified"])
    assert (after["space_key"], site.truth("page")[child]["space_key"]) == ("OPS", "OPS")


def test_limits_filters_and_unknown_parameters(wiki, http):
    for wrong in (
        {"limit": 251},
        {"limit": 0},
        {"limit": "x"},
        {"sort": "size"},
        {"body-format": "adf"},
        {"id": "x"},
        {"space-id": ",".join(map(str, range(101)))},
    ):
        answer = http.get(f"{V2}/pages", params=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "INVALID_REQUEST_PARAMETER"), wrong
    assert len(http.get(f"{V2}/pages", params={"start": 50, "cql": "x"}).json()["results"]) == 25
    assert len(http.get(f"{V2}/attachments").json()["results"]) == 50
    trashed = walk(http, f"{V2}/pages", status="trashed")[0]
    assert trashed
    assert not set(ids(trashed)) & wiki.site.truth("page").keys()
    two = list(wiki.site.truth("page", spaces=["OPS"]))[:2]
    assert set(ids(walk(http, f"{V2}/pages", id=",".join(two))[0])) <= set(two)


@pytest.mark.parametrize("sort", ["id", "-id", "title", "-title", "modified-date", "-modified-date", "created-date"])
def test_cursors_are_by_key(wiki, http, sort):
    rows, pages = walk(http, f"{V2}/pages", sort=sort, limit=37)
    assert len(ids(rows)) == len(set(ids(rows)))
    assert pages > 3
    assert {one["id"] for one in rows} == {key for key, row in wiki.site.truth("page").items() if row["type"] == "page"}


def test_a_row_that_moves_while_paging_is_seen_twice_or_never(wiki, http):
    first = http.get(f"{V2}/pages", params={"sort": "-modified-date", "limit": 10}).json()
    oldest = walk(http, f"{V2}/pages", sort="modified-date")[0][0]["id"]
    wiki.site.edit(oldest, body="moved to the front")
    rows = first["results"] + walk(http, first["_links"]["next"])[0]
    assert oldest not in ids(rows)


def test_short_and_empty_pages_have_a_next(wiki, http):
    wiki.faults.short_pages = True
    rows, pages = walk(http, f"{V2}/pages", limit=20)
    assert pages > 6
    assert len(rows) == sum(row["type"] == "page" for row in wiki.site.truth("page").values())


def test_old_and_bad_cursors(wiki, http):
    wiki.faults.cursor_lives = 60
    following = http.get(f"{V2}/pages").json()["_links"]["next"]
    assert http.get(following).status_code == 200
    wiki.site.advance(61)
    for path in (following, f"{V2}/pages?cursor=abc", f"{V2}/pages?cursor="):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["errors"][0]["title"][:36]) == (
            400,
            "Provided value for 'cursor' is not t",
        )


def test_logins(wiki, http):
    gateway = f"{wiki.url}/ex/confluence/{wiki.cloud_id}{V2}/pages"
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {wiki.bearer}"}) as bearer:
        first = bearer.get(gateway)
        assert first.status_code == 200
        assert first.json()["_links"]["next"].startswith(f"{V2}/"), "without the gateway's prefix"
        assert first.json()["_links"]["base"] == f"{wiki.url}/wiki"
        assert bearer.get(f"{wiki.url}{V2}/pages").status_code == 403
    wiki.expired = True
    assert http.get(f"{V2}/pages").status_code == 401
    refused = http.get(f"{V1}/user/current")
    assert (refused.status_code, refused.json()["message"]) == (403, "Current user not permitted to use Confluence")
    wiki.faults.anonymous_empty = True
    assert http.get(f"{V2}/pages").json()["results"] == []
    assert http.get(f"{V1}/user/current").json()["type"] == "anonymous"
    assert http.get(f"{V2}/pages/{next(iter(wiki.site.truth('page')))}").status_code == 404


def test_search_reads_dates_in_the_zone_of_the_site(wiki, http):
    site = wiki.site
    page = site.create_page("ENG", "Fresh")
    local = site.now.astimezone(site.zone)

    def found(since, path="/content/search", **more):
        cql = f'lastmodified >= "{since:%Y-%m-%d %H:%M}" AND type in (page, blogpost) ORDER BY lastmodified DESC'
        answer = http.get(f"{V1}{path}", params={"cql": cql, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert page in ids(found(local)["results"])
    assert found(local + timedelta(minutes=1))["results"] == []
    wiki.faults.index_lag_s = 60
    assert page not in ids(found(local)["results"])
    first = found(local - timedelta(days=400), limit=20, start=15)
    assert first["_links"]["next"].startswith("/rest/api/content/search?next=true&cursor=")
    second = http.get("/wiki" + first["_links"]["next"]).json()
    assert not set(ids(first["results"])) & set(ids(second["results"]))
    for bad in ('lastmodified > "2024-01-01T00:00:00Z"', "space = order", "size > 3", ""):
        assert http.get(f"{V1}/search", params={"cql": bad}).status_code == 400, bad
    old = {"cql": "space = OLD"}
    assert http.get(f"{V1}/search", params=old).json()["totalSize"] == 0
    assert http.get(f"{V1}/search", params=old | {"includeArchivedSpaces": "true"}).json()["totalSize"] > 0


def test_restrictions_permissions_and_the_trash(wiki, http):
    site = wiki.site
    page = site.create_page("ENG", "t")
    for user in site.people[:5]:
        site.restrict(page, "update", user=user)
    wiki.faults.restriction_limit = 2
    got = http.get(f"{V1}/content/{page}/restriction/byOperation").json()["update"]["restrictions"]["user"]
    assert (got["size"], got["limit"], got["totalSize"]) == (2, 2, 5)
    rest = http.get(f"{V1}/content/{page}/restriction/byOperation/update", params={"start": 4}).json()
    assert rest["restrictions"]["user"]["results"][0]["accountId"] == site.people[4]
    other = http.get(f"{V1}/content/{page}/restriction", params={"expand": "content"}).json()["results"][1]
    assert (other["operation"], "user" in other["restrictions"]) == ("update", False)
    space = site.space("ENG")
    granted = site.grant("ENG", ("role", "r"), "read")
    rows = walk(http, f"{V2}/spaces/{space.space_id}/permissions", limit=2)[0]
    assert ids(rows)[-1] == granted
    assert Counter(ids(rows)).keys() <= site.truth("acl").keys()
    file = site.attach(page, "a")
    site.delete_attachment(file)
    assert http.get(f"{V2}/attachments/{file}").json()["status"] == "trashed"
    assert file not in ids(walk(http, f"{V2}/attachments", limit=250)[0])
    wiki.faults.v1_gone = True
    assert http.get(f"{V1}/content/{page}/restriction").status_code == 410


def test_what_cannot_be_read(wiki, http):
    site = wiki.site
    hidden, broken, odd = (site.create_page("ENG", name, "b") for name in ("h", "b", "o"))
    comment = site.comment(hidden, "x")
    site.hide(hidden)
    wiki.faults.broken_ids.add(broken)
    title = site.plant_odd_text(odd)
    rows = walk(http, f"{V2}/pages", sort="-id", limit=5)[0]
    assert hidden not in ids(rows)
    assert {row["id"]: row["title"] for row in rows}[odd] == title
    for path in (f"/pages/{hidden}", f"/footer-comments/{comment}", f"/pages/{hidden}/versions"):
        assert http.get(V2 + path).status_code == 404
    assert http.get(f"{V2}/pages/{broken}").status_code == 200
    assert http.get(f"{V2}/pages/{broken}", params={"body-format": "storage"}).status_code == 500


def test_throttling(wiki, http):
    wiki.faults.fail_next = [(429, "/api/v2/pages"), (429, "/api/v2/pages")]
    assert "Retry-After" not in http.get(f"{V2}/pages").headers
    wiki.faults.retry_after_s = 7
    answer = http.get(f"{V2}/pages")
    assert (answer.status_code, answer.headers["Retry-After"], answer.headers["X-RateLimit-Remaining"]) == (
        429,
        "7",
        "0",
    )


def test_more_than_one_answer_holds(wiki, http):
    site = wiki.site
    busy = next(key for key, row in site.truth("page").items() if len(row["labels"]) > 50)
    query = {"include-labels": "true", "include-versions": "true"}
    one = http.get(f"{V2}/pages/{busy}", params=query).json()
    for what in ("labels", "versions"):
        assert (len(one[what]["results"]), one[what]["meta"]["hasMore"]) == (50, True)
    held = {key for key, row in site.truth("version").items() if row["content_id"] == busy}
    assert {f"{busy}:{row['number']}" for row in walk(http, f"{V2}/pages/{busy}/versions", limit=20)[0]} == held
    top = walk(http, f"{V2}/pages/{busy}/footer-comments")[0]
    replies = [walk(http, f"{V2}/footer-comments/{row['id']}/children")[0] for row in top]
    assert max(map(len, replies)) == 30


def test_strangers_may_see_a_public_space(wiki, http):
    wiki.expired = wiki.faults.anonymous_empty = True
    wiki.faults.public_spaces = frozenset({"OPS"})
    seen = walk(http, f"{V2}/pages")[0]
    assert seen
    assert {row["spaceId"] for row in seen} == {str(wiki.site.space("OPS").space_id)}
    assert [row["key"] for row in walk(http, f"{V2}/spaces")[0]] == ["OPS"]


def test_people(wiki, http):
    gone = wiki.site.people[-1]
    answer = http.post(f"{V2}/users-bulk", json={"accountIds": [gone, "stranger"]})
    assert [(one["accountId"], one["accountStatus"]) for one in answer.json()["results"]] == [(gone, "closed")]


def test_a_site_is_the_same_every_time():
    one, two = (ConfluenceSite(pages=60, seed=4) for _ in range(2))
    for site in (one, two):
        site.churn(40, random.Random(9))
    assert all(
        one.truth(unit) == two.truth(unit) for unit in ("page", "comment", "attachment", "version", "label", "acl")
    )
    assert one.now.tzinfo is UTC
