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


@pytest.mark.parametrize("when", ["before the run", "while a full run reads"])
def test_the_move_of_a_parent_reaches_its_children(jira, mover, when):
    """They name it by key and are not updated by its move; they alone are read with it."""
    parent, *children = jira.site.issues()[10:14]
    for child in children:
        jira.site.adopt(parent, child)
    jira.site.pass_time(3600)  # else they count as changed themselves, and two slices write them
    mover.run("issues", "incremental")
    jira.site.pass_time(3600)
    before = len(jira.requests)
    there = "OPS" if parent.project_key == "AND" else "AND"
    asked: list[str] = []

    def move_while_reading(path: str) -> None:
        asked.append(path)
        listed = sum(one.endswith("/search/jql") for one in asked)
        if not jira.site.issue(parent.issue_id).key.startswith(there) and listed == 4:
            jira.site.move(parent, there)

    if when == "before the run":
        jira.site.move(parent, there)
        jira.site.pass_time(1)
    else:
        jira.on_request = move_while_reading
    summary = mover.run("issues", "full" if "full" in when else "incremental")
    assert parent.project_key == there
    assert_truth(mover, "issues")
    if when == "before the run":
        assert summary.rows_updated + summary.rows_inserted == 4
        assert fetched(jira, before) == {one.issue_id for one in (parent, *children)}, "no crawl"


def test_a_census_compares_versions(jira, mover):
    """Archived, restored and moved without an update: found by the census of an incremental run, and read alone."""
    site = jira.site
    archived, moved = site.issues()[4], site.issues()[8]
    mover.run("issues", "incremental")
    site.pass_time(90_000)
    site.archive(archived, updates=False)
    mover.run("issues", "incremental")
    site.pass_time(90_000)
    site.archive(archived, archived=False, updates=False)
    site.move(moved, "OPS" if moved.project_key == "AND" else "AND", updates=False)
    before = len(jira.requests)
    mover.run("issues", "incremental")
    assert_truth(mover, "issues")
    assert fetched(jira, before) == {archived.issue_id, moved.issue_id}, "no crawl"


def test_names_that_were_changed(jira, mover):
    """A renamed status, priority and type: three lists say so, and only the issues that carry them are read."""
    mover.run("issues", "incremental")
    jira.site.pass_time(3600)
    jira.site.names.rename("status", "3", "With counsel")
    before = len(jira.requests)
    mover.run("issues", "incremental")
    assert_truth(mover, "issues")
    assert fetched(jira, before) == {one.issue_id for one in jira.site.issues() if one.status_id == "3"}
    jira.site.names.rename("priority", "1", "Blocker")
    jira.site.names.rename("issuetype", "10001", "User story")
    mover.run("issues", "incremental")
    assert_truth(mover, "issues")
    before = len(jira.requests)
    mover.run("issues", "incremental")
    assert not fetched(jira, before)


def test_children_of_issues_that_went_and_came_back(jira, mover):
    """Restored and moved without an update, or gone for good: the daily census of an incremental run finds them."""
    site, names = jira.site, CHILDREN if mover.data_mode == "raw" else CHILDREN[:1]
    back, moved, gone = [one for one in site.issues() if one.comments and one.worklogs][:3]
    site.archive(back, updates=False)
    run_all(mover, *names)
    site.pass_time(90_000)
    site.archive(back, archived=False, updates=False)
    site.move(moved, "OPS" if moved.project_key == "AND" else "AND", updates=False)
    site.delete(gone)
    site.create("AND", comments=1, worklogs=1)
    before = len(jira.requests)
    run_all(mover, *names)
    assert_truth(mover, *names)
    assert len(fetched(jira, before)) <= 5, "no crawl"
