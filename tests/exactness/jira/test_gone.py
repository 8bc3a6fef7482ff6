"""Proof of issue 3, "Done when" 3 and 4: logins that ran out delete nothing; deleted, moved, archived, hidden issues."""

from __future__ import annotations

import pytest

from contracts.errors import CompletenessGapError, DeleteGuardError, SinkOwnerError, SourceAuthError
from sandbox.jira import JiraSite, SandboxJira
from tests.connectors.jira.moving import UNITS, JiraIngestion, assert_equal

ALIVE = "SELECT count(*)::bigint AS n FROM cdm_work.cdm_item WHERE deleted_at IS NULL"


@pytest.fixture
def jira():
    with SandboxJira(JiraSite(projects=("AND", "OPS"), issues=80)) as server:
        yield server


@pytest.fixture(params=["raw", "cdm"])
def mover(request, jira, database):
    moving = JiraIngestion(jira, database, data_mode=request.param)
    yield moving
    moving.close()


def alive(mover: JiraIngestion) -> dict[str, str]:
    """Key by id of the issues that count in the sink."""
    if mover.data_mode == "raw":
        return dict(mover.query("SELECT id::text AS i, key::text AS k FROM jira.issues"))
    return dict(
        mover.query("SELECT source_id AS i, source_issue_key AS k FROM cdm_work.cdm_item WHERE deleted_at IS NULL")
    )


def truth(jira: SandboxJira) -> dict[str, str]:
    return {one.issue_id: one.key for one in jira.site.issues()}


@pytest.mark.parametrize("when", ["before the run", "while it lists", "while it fetches", "during the census"])
def test_a_login_that_runs_out_deletes_nothing(jira, mover, when):
    """Strangers are answered 200 with nothing in it: that must never look like an empty site."""
    mover.run("issues")
    before = alive(mover)
    jira.site.delete(jira.site.issues()[0])
    marks = {"while it lists": "/search/jql", "while it fetches": "/issue/bulkfetch"}
    seen: list[str] = []

    def expire(path: str) -> None:
        seen.append(path)
        listed = sum(one.endswith("/search/jql") for one in seen)
        if (
            when == "before the run"
            or path.endswith(marks.get(when, "?"))
            or (
                when == "during the census"
                and "bulkfetch" not in path
                and seen.count("/rest/api/3/issue/bulkfetch") >= 4
                and listed >= 5
            )
        ):
            jira.expired = True

    jira.on_request = expire
    with pytest.raises(SourceAuthError):
        mover.run("issues")
    assert jira.expired
    assert alive(mover) == before
    jira.on_request, jira.expired = lambda _path: None, False
    mover.run("issues")
    assert alive(mover) == truth(jira)


def test_wrong_credentials_end_before_anything_starts(jira, database):
    good = JiraIngestion(jira, database)
    good.run("users")
    wrong = JiraIngestion(jira, database, api_token="wrong")
    wrong._units = {name: good.unit(name) for name in UNITS}
    for name in UNITS:
        with pytest.raises(SourceAuthError):
            wrong.run(name)
    assert len(good.raw("users")) == len(jira.site.people())
    good.close()
    wrong.close()


def test_deleted_moved_archived_hidden_and_back(jira, mover):
    site = jira.site
    mover.run("issues")
    deleted, moved, archived, hidden = site.issues()[:4]
    site.delete(deleted)
    old_key = moved.key
    site.move(moved, "OPS" if moved.project_key == "AND" else "AND")
    site.archive(archived)
    site.hide(hidden)
    summary = mover.run("issues")
    assert alive(mover) == truth(jira)
    assert summary.rows_deleted + summary.rows_tombstoned >= 3
    assert old_key not in alive(mover).values()
    site.archive(archived, archived=False)
    site.hide(hidden, hidden=False)
    mover.run("issues")
    assert alive(mover) == truth(jira)
    site.archive_project("OPS")
    mover.run("issues", max_delete_fraction=0.9)
    assert alive(mover) == truth(jira)
    site.archive_project("OPS", archived=False)
    mover.run("issues")
    assert alive(mover) == truth(jira)


def test_an_incremental_run_finds_what_is_gone_once_a_day(jira, mover):
    mover.run("issues", "incremental")
    jira.site.pass_time(3600)
    gone = jira.site.issues()[3]
    jira.site.delete(gone)
    mover.run("issues", "incremental")
    assert len(alive(mover)) == len(truth(jira)) + 1, "not due yet"
    jira.site.pass_time(86_400)
    listed = len(jira.requests_to("bulkfetch"))
    mover.run("issues", "incremental")
    assert alive(mover) == truth(jira)
    asked = [one.body for one in jira.requests_to("bulkfetch")][listed:]
    assert asked == [{"issueIdsOrKeys": [gone.issue_id], "fields": ["project"]}], "no issue is read"


def test_what_the_sink_lost_is_brought_back_by_the_census(jira, mover):
    mover.run("issues", "incremental")
    table = "jira.issues WHERE id" if mover.data_mode == "raw" else "cdm_work.cdm_item WHERE source_id"
    gone = jira.site.issues()[7].issue_id
    with mover.sink_reader.session() as session:
        session.execute(f"DELETE FROM {table} = '{gone}'")
    jira.site.pass_time(90_000)
    mover.run("issues", "incremental")
    assert alive(mover) == truth(jira)


def test_the_guard_stops_a_census_that_would_remove_too_much(jira, mover):
    mover.run("issues")
    before = alive(mover)
    for issue in jira.site.issues()[:60]:
        jira.site.delete(issue)
    with pytest.raises(DeleteGuardError, match="60 of 80"):
        mover.run("issues")
    assert alive(mover) == before
    mover.run("issues", max_delete_fraction=0.9)
    assert alive(mover) == truth(jira)


def test_a_census_that_cannot_list_everything_removes_nothing(jira, mover):
    mover.run("issues", "incremental")
    before = alive(mover)
    jira.site.delete(jira.site.issues()[0])
    jira.site.pass_time(90_000)
    seen: list[str] = []

    def refuse_the_last_listing(path: str) -> None:
        if path.endswith("/search/jql"):
            seen.append(path)
            if len(seen) == 4:  # two projects and what changed meanwhile are read first; the fourth is the census's
                jira.faults.fail_next = [(400, "/search/jql")]

    jira.on_request = refuse_the_last_listing
    with pytest.raises(CompletenessGapError, match="cannot be compared"):
        mover.run("issues", "incremental")
    assert alive(mover) == before


def test_gone_children_are_found_by_full_runs(jira, database):
    mover = JiraIngestion(jira, database)
    for name in ("comments", "worklogs"):
        mover.run(name)
    for issue in jira.site.issues()[:20]:
        for child in [*issue.comments[:1], *issue.worklogs[:1]]:
            jira.site.remove_child(issue, child)
    jira.site.delete(jira.site.issues()[30])
    for name in ("comments", "worklogs"):
        mover.run(name)
    assert_equal(mover, "comments", "worklogs")
    mover.close()


def test_deleted_worklogs_are_followed_by_incremental_runs(jira, mover):
    """The one feed of deletions there is; it holds the last minute back, so the next run looks again."""
    mover.run("worklogs", "incremental")
    jira.site.pass_time(3600)
    issue = next(one for one in jira.site.issues() if one.worklogs)
    child = issue.worklogs[0]
    jira.site.remove_child(issue, child)
    jira.site.pass_time(61)
    mover.run("worklogs", "incremental")
    truth = {one.child_id for issue in jira.site.issues() for one in issue.worklogs}
    assert child.child_id not in truth
    raw, cdm = (
        "SELECT id AS i FROM jira.worklogs",
        "SELECT source_id AS i FROM cdm_work.cdm_worklog WHERE deleted_at IS NULL",
    )
    assert {row[0] for row in mover.query(raw if mover.data_mode == "raw" else cdm)} == truth


def test_two_sites_that_share_a_name_are_refused(jira, database):
    one = JiraIngestion(jira, database, "one", "cdm")
    one.run("issues")
    two = JiraIngestion(jira, database, "two", "cdm")
    with pytest.raises(SinkOwnerError, match="source_system"):
        two.run("issues")
    assert one.query(ALIVE) == [(80,)]
    apart = JiraIngestion(jira, database, "three", "cdm", source_system="jira_two")
    apart.run("issues")
    assert one.query(ALIVE) == [(160,)]
    for mover in (one, two, apart):
        mover.close()
