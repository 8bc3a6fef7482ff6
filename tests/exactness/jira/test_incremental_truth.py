"""Issue 11, point 5: right after an incremental run every entity equals the site's, children and parents included."""

from __future__ import annotations

import pytest

from flows.stages.run import SilentObserver
from sandbox.jira import JiraSite, SandboxJira
from tests.connectors.jira.moving import JiraIngestion, assert_equal, truth

CHILDREN = ("comments", "worklogs")


@pytest.fixture
def jira():
    with SandboxJira(JiraSite(projects=("AND", "OPS", "OLD"), issues=90, people=12)) as server:
        yield server


@pytest.fixture(params=["raw", "cdm"])
def mover(request, jira, database):
    moving = JiraIngestion(jira, database, data_mode=request.param)
    yield moving
    moving.close()


def run_all(mover: JiraIngestion, *names: str, **policy) -> None:
    for name in names:
        mover.run(name, "incremental", **policy)


def assert_truth(mover: JiraIngestion, *names: str) -> None:
    """Raw rows field by field; common-model rows by id, with the columns that name others."""
    if mover.data_mode == "raw":
        assert_equal(mover, *names)
        return
    site = mover.server.site
    held = {
        "issues": "SELECT source_id, source_issue_key, status, priority, issue_type, parent_cdm_id, project_cdm_id "
        "FROM cdm_work.cdm_item WHERE deleted_at IS NULL",
        "comments": "SELECT source_id, item_cdm_id FROM cdm_work.cdm_comment WHERE deleted_at IS NULL",
        "worklogs": "SELECT source_id, item_cdm_id FROM cdm_work.cdm_worklog WHERE deleted_at IS NULL",
    }
    children = {
        name: {
            (one.child_id, f"cdm:work:item:jira:{issue.key}") for issue in site.issues() for one in getattr(issue, name)
        }
        for name in CHILDREN
    }
    for name in names:
        theirs = {item_of(one) for one in truth(site, "issues").values()} if name == "issues" else children[name]
        assert set(mover.query(held[name])) == theirs, name


def item_of(payload: dict) -> tuple:
    fields = payload["fields"]
    name = {which: (fields[which] or {}).get("name") for which in ("status", "priority", "issuetype")}
    parent = f"cdm:work:item:jira:{fields['parent']['key']}" if fields["parent"] else None
    return (
        payload["id"],
        payload["key"],
        *name.values(),
        parent,
        f"cdm:work:project:jira:{fields['project']['key']}",
    )


def fetched(jira: SandboxJira, since: int) -> set[str]:
    """Ids of the issues that were fetched after so many requests."""
    return {
        one
        for request in jira.requests[since:]
        if "bulkfetch" in request.path
        for one in request.body["issueIdsOrKeys"]
    }


def test_children_of_issues_that_were_read(jira, mover):
    """Deleted comments and worklogs go with the issue's next reading, all of them and some of them."""
    run_all(mover, *CHILDREN)
    jira.site.pass_time(3600)
    some, bare, other = [one for one in jira.site.issues() if len(one.comments) > 1 and len(one.worklogs) > 1][:3]
    for issue, taken in ((some, 1), (bare, 99)):
        for child in [*issue.comments[:taken], *issue.worklogs[:taken]]:
            jira.site.remove_child(issue, child)
    jira.site.comment(other, "one more")
    jira.site.log_work(other, 60)
    before = len(jira.requests)
    run_all(mover, *CHILDREN)
    assert_truth(mover, *CHILDREN)
    assert fetched(jira, before) == {some.issue_id, bare.issue_id, other.issue_id}, "no crawl"
    assert mover.run("comments", "incremental").rows_deleted == 0


def test_a_list_that_shifts_removes_no_live_row(jira, mover):
    """An issue goes while a census lists ids page by page, so the next page leaves out one that is there."""
    mover.run("issues", "incremental")
    jira.site.pass_time(90_000)
    jira.api.most_ids = 10
    searches: list[str] = []

    def remove_after_the_first_page(path: str) -> None:
        if path.endswith("/search/jql"):
            searches.append(path)
            if len(searches) == 6:  # after three projects and what changed meanwhile: the second page, newest first
                jira.site.delete([one for one in jira.site.issues() if one.project_key == "AND"][-1])

    jira.on_request = remove_after_the_first_page
    summary = mover.run("issues", "incremental")
    assert len(searches) > 12
    assert summary.rows_deleted + summary.rows_tombstoned == 0, "the page before has the one that went"
    jira.site.pass_time(90_000)
    summary = mover.run("issues", "incremental")
    assert summary.rows_deleted + summary.rows_tombstoned == 1
    assert_truth(mover, "issues")


def test_a_census_of_children_is_no_second_crawl(jira, mover):
    """Comments of a deleted issue cost a few look-ups by id; a full run that was resumed reads the rest, and no more."""
    before = len(jira.requests)
    mover.run("comments")
    crawl = len(jira.requests) - before
    gone, odd = [one for one in jira.site.issues() if one.comments][:2]
    jira.site.delete(gone)
    jira.site.archive_project("OLD")
    jira.site.remove_child(odd, odd.comments[0])
    before = len(jira.requests)
    mover.run("comments")
    assert len(jira.requests) - before <= crawl + 6
    assert_truth(mover, "comments")

    class KilledAfterASlice(SilentObserver):
        def upserted(self, piece, receipt) -> None:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        mover.run("comments", observer=KilledAfterASlice())
    before = len(jira.requests)
    assert mover.run("comments").resumed
    assert len(jira.requests) - before <= crawl
    assert not [one for one in jira.requests[before:] if one.path.endswith("/comment/list")]
    assert_truth(mover, "comments")
