"""The sandbox's Jira against the documented API, point by point. Each test names the fact it stands for."""

from __future__ import annotations

import base64
from datetime import datetime

import httpx
import pytest

from sandbox.jira import JiraFaults, JiraSite, SandboxJira
from sandbox.jira.server import CLOUD_ID


@pytest.fixture
def jira():
    with SandboxJira(JiraSite(projects=("AND", "DO", "OPS"), issues=150, zone="America/New_York")) as server:
        yield server


@pytest.fixture
def http(jira):
    with httpx.Client(base_url=f"{jira.url}/rest/api/3", auth=(jira.email, jira.token), trust_env=False) as client:
        yield client


def search(http, jql, status=200, **more):
    answer = http.post("/search/jql", json={"jql": jql, **more})
    assert answer.status_code == status, answer.text
    return answer.json()


def message(http, jql):
    return search(http, jql, 400)["errorMessages"][0]


def test_a_failed_login_is_served_as_anonymous(jira, http):
    jira.expired = True
    assert http.get("/project/search").json()["values"] == []
    answer = http.post("/search/jql", json={"jql": "project = AND"})
    assert (answer.status_code, answer.json()["issues"]) == (200, [])
    assert answer.headers["X-Seraph-LoginReason"] == "AUTHENTICATED_FAILED"
    assert http.get("/issue/10001").status_code == 404
    myself = http.get("/myself")
    assert (myself.status_code, myself.headers["Content-Type"].split(";")[0]) == (401, "text/html")
    assert http.get("/serverInfo").status_code == 200, "anybody may ask that"


def test_credentials_are_split_at_the_first_colon(jira):
    assert ":" in jira.token
    token = base64.b64encode(f"{jira.email}:{jira.token}".encode()).decode()
    answer = httpx.get(f"{jira.url}/rest/api/3/myself", headers={"Authorization": f"Basic {token}"}, trust_env=False)
    assert answer.json()["timeZone"] == "America/New_York"


def test_a_failed_bearer_is_403(jira):
    url = f"{jira.url}/ex/jira/{CLOUD_ID}/rest/api/3/myself"
    for token, status in ((jira.bearer, 200), ("wrong", 403)):
        answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)
        assert answer.status_code == status


def test_search_has_no_total_and_its_token_is_absent_at_the_end(http):
    first = search(http, "project = OPS", maxResults=30)
    assert set(first) == {"issues", "isLast", "nextPageToken"}
    assert set(first["issues"][0]) == {"id"}, "id only, unless more is asked for"
    second = search(http, "project = OPS", maxResults=30, nextPageToken=first["nextPageToken"])
    assert "nextPageToken" not in second
    assert second["isLast"]
    assert len(first["issues"]) + len(second["issues"]) == 50


def test_limits_of_pages(jira, http):
    assert len(search(http, "project is not EMPTY", maxResults=5000, fields=["id"])["issues"]) == 150
    assert len(search(http, "project is not EMPTY", maxResults=5000, fields=["summary"])["issues"]) == 100
    jira.api.short_pages = True
    short = search(http, "project is not EMPTY", maxResults=90, fields=["*all"])
    assert len(short["issues"]) < 90
    assert not short["isLast"]
    for wrong in (0, 5001):
        assert search(http, "project = OPS", 400, maxResults=wrong)["errorMessages"] == [
            "The max results parameter has to be between 1 and 5,000."
        ]


def test_queries_that_are_refused(http):
    assert message(http, "").startswith("Unbounded JQL")
    assert message(http, "ORDER BY created").startswith("Unbounded JQL")
    assert "'DO' is a reserved JQL word" in message(http, "project = DO")
    assert message(http, 'project = "NOPE"') == "The value 'NOPE' does not exist for the field 'project'."
    assert message(http, 'status = "Nope"') == "The value 'Nope' does not exist for the field 'status'."
    assert message(http, 'key = "OPS-99999"') == "An issue with key 'OPS-99999' does not exist for field 'key'."
    assert message(http, "nonsense = 1").startswith("Field 'nonsense' does not exist")
    assert message(http, 'updated >= "2024-01-01T00:00:00Z"').startswith("Date value '2024-01-01T00:00:00Z'")
    assert message(http, 'updated >= "2024-01-01 00:00:30"').startswith("Date value")
    assert search(http, "project = OPS", 400, nextPageToken="%%")["errorMessages"]
    assert http.post("/search/jql", json={"jql": "project = OPS", "startAt": 0}).status_code == 400
    assert http.post("/search/jql", content=b'{"jql": "x"}').status_code == 415
    assert http.get("/search", params={"jql": "project = OPS"}).status_code == 410


def test_dates_are_read_in_the_accounts_zone_and_numbers_are_milliseconds(jira, http):
    issue = jira.site.issues()[75]
    local = datetime.fromtimestamp(issue.created_ms / 1000, jira.site.zone)
    by_text = search(http, f'created >= "{local:%Y-%m-%d %H:%M}"', maxResults=5000)["issues"]
    by_number = search(http, f"created >= {issue.created_ms}", maxResults=5000)["issues"]
    assert len(by_text) == len(by_number) == 75


def test_quoting_and_operators(jira, http):
    assert search(http, 'project in ("DO", "OPS") AND status in ("Waiting for \\"legal\\"", "Back\\\\slash")')["issues"]
    everybody = search(http, "project is not EMPTY", maxResults=5000)["issues"]
    nobody = search(http, "assignee is EMPTY", maxResults=5000)["issues"]
    somebody = search(http, "NOT assignee is EMPTY", maxResults=5000)["issues"]
    assert len(nobody) + len(somebody) == len(everybody)
    account = next(one.assignee_id for one in jira.site.issues() if one.assignee_id)
    other = search(http, f'assignee != "{account}" OR assignee = "{account}"', maxResults=5000)["issues"]
    assert len(other) == len(somebody), "!= never matches EMPTY"
    assert len(search(http, 'project = "ops"', maxResults=5000)["issues"]) == 50, "names compare case-insensitively"


def test_moments_have_no_colon_in_their_offset_and_follow_daylight_saving(http):
    issues = search(http, "project is not EMPTY", maxResults=100, fields=["created"])["issues"]
    offsets = {one["fields"]["created"][-5:] for one in issues}
    assert offsets == {"-0400", "-0500"}


def test_embedded_lists_are_cut(jira, http):
    issue = jira.site.issues()[0]
    for number in range(120):
        jira.site.comment(issue, str(number))
        jira.site.log_work(issue, 60)
    total_comments, total_worklogs = len(issue.comments), len(issue.worklogs)
    fields = search(http, f"id = {issue.issue_id}", fields=["comment", "worklog"])["issues"][0]["fields"]
    assert (len(fields["comment"]["comments"]), fields["comment"]["total"]) == (20, total_comments)
    assert (len(fields["worklog"]["worklogs"]), fields["worklog"]["total"]) == (20, total_worklogs)
    comments = http.get(f"/issue/{issue.key}").json()["fields"]["comment"]["comments"]
    assert [one["id"] for one in comments] == [one.child_id for one in issue.comments[-100:]], "the newest"
    page = http.get(f"/issue/{issue.key}/comment", params={"startAt": 100, "maxResults": 500}).json()
    assert (page["total"], page["maxResults"], len(page["comments"])) == (total_comments, 100, total_comments - 100)
    assert http.get(f"/issue/{issue.key}/comment", params={"orderBy": "author"}).status_code == 400
    assert http.get(f"/issue/{issue.key}/worklog", params={"startAt": "x"}).status_code == 404


def test_bulk_fetch(jira, http):
    ids = [one.issue_id for one in jira.site.issues()]
    assert http.post("/issue/bulkfetch", json={"issueIdsOrKeys": ids[:101]}).status_code == 400
    answer = http.post(
        "/issue/bulkfetch", json={"issueIdsOrKeys": [*ids[:3], "99999999"], "fields": ["*all", "-comment"]}
    )
    assert len(answer.json()["issues"]) == 3
    assert len(answer.json()["issueErrors"]) == 1
    assert "comment" not in answer.json()["issues"][0]["fields"]


def test_children_by_id(jira, http):
    issue = next(one for one in jira.site.issues() if one.comments and one.worklogs)
    comment, worklog = issue.comments[0].child_id, issue.worklogs[0].child_id
    (listed,) = http.post("/comment/list", json={"ids": [int(comment)]}).json()["values"]
    assert f"/issue/{issue.issue_id}/comment/" in listed["self"]
    (logged,) = http.post("/worklog/list", json={"ids": [int(worklog)]}).json()
    assert logged["issueId"] == issue.issue_id


def test_a_moved_issue_keeps_its_id_and_its_old_key_finds_it(jira, http):
    issue = jira.site.issues()[0]
    old = issue.key
    jira.site.move(issue, "DO")
    moved = http.get(f"/issue/{old}").json()
    assert (moved["id"], moved["key"]) == (issue.issue_id, issue.key)
    assert issue.key != old


def test_deleted_archived_and_hidden_issues_leave_search_without_a_trace(jira, http):
    gone = jira.site.issues()[:3]
    jira.site.delete(gone[0])
    jira.site.archive(gone[1])
    jira.site.hide(gone[2])
    left = {one["id"] for one in search(http, "project is not EMPTY", maxResults=5000)["issues"]}
    assert left.isdisjoint(one.issue_id for one in gone)
    assert {http.get(f"/issue/{one.issue_id}").status_code for one in gone} == {404}


def test_the_index_lags_and_can_be_reconciled(jira, http):
    jira.site.lag_ms = 60_000
    fresh = jira.site.create("OPS")
    query = f"id = {fresh.issue_id}"
    assert search(http, query)["issues"] == []
    assert len(search(http, query, reconcileIssues=[int(fresh.issue_id)])["issues"]) == 1
    assert http.get(f"/issue/{fresh.issue_id}").status_code == 200


def test_people_are_a_bare_array_until_it_is_empty(jira, http):
    assert len(http.get("/users/search", params={"startAt": 0, "maxResults": 5}).json()) == 5
    assert http.get("/users/search", params={"startAt": 500}).json() == []
    assert any(not one["active"] for one in http.get("/users/search").json())
    assert any("emailAddress" not in one for one in http.get("/users/search").json())


def test_names_are_not_unique(http):
    names = [one["name"] for one in http.get("/field").json()]
    assert names.count("Team") == 2
    statuses = [one["name"] for one in http.get("/status").json()]
    assert statuses.count("Done") == 2


def test_deleted_worklogs_are_listed_but_not_those_of_the_last_minute(jira, http):
    issue = next(one for one in jira.site.issues() if one.worklogs)
    child = issue.worklogs[0]
    jira.site.remove_child(issue, child)
    assert http.get("/worklog/deleted", params={"since": 0}).json()["values"] == []
    jira.site.pass_time(61)
    (deleted,) = http.get("/worklog/deleted", params={"since": 0}).json()["values"]
    assert str(deleted["worklogId"]) == child.child_id


def test_throttling(jira, http):
    jira.faults = JiraFaults(throttled=1.0, retry_after_s=7)
    answer = http.get("/myself")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.headers["RateLimit-Reason"].startswith("jira-")


@pytest.mark.parametrize("fault", ["cut", "corrupt"])
def test_bodies_that_break(jira, http, fault):
    jira.faults = JiraFaults(**{fault: 1.0})
    with pytest.raises((httpx.HTTPError, ValueError)):
        http.get("/field").json()


def test_orders_come_before_chance(jira, http):
    jira.faults.fail_next = [(503, "/myself")]
    assert [http.get("/myself").status_code for _ in range(2)] == [503, 200]


def test_the_same_seed_gives_the_same_site():
    one, two = JiraSite(seed=7), JiraSite(seed=7)
    assert [(i.key, i.updated_ms, len(i.comments)) for i in one.issues()] == [
        (i.key, i.updated_ms, len(i.comments)) for i in two.issues()
    ]


def test_people_can_work_on_it(jira, http):
    issue = jira.site.issues()[0]
    before = len(issue.comments)
    assert http.put(f"/issue/{issue.key}", json={"fields": {"summary": "Fixed"}}).status_code == 204
    assert http.get(f"/issue/{issue.key}").json()["fields"]["summary"] == "Fixed"
    document = {"type": "doc", "version": 1, "content": []}
    assert http.post(f"/issue/{issue.key}/comment", json={"body": document}).json()["body"] == document
    assert len(issue.comments) == before + 1
    assert http.put("/issue/NO-1", json={"fields": {"summary": "x"}}).status_code == 404
    assert http.put(f"/issue/{issue.key}", json={"fields": {"rank": 1}}).status_code == 400
