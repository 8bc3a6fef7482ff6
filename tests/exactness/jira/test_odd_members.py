"""Issue 11, points 6, 8 and 20: one odd member of a unit stops nothing but itself; limits stop nobody for good."""

from __future__ import annotations

import json

import pytest

from connectors.http.characters import with_whole_characters
from contracts.errors import CompletenessGapError
from sandbox.jira import JiraFaults, JiraSite, SandboxJira
from tests.connectors.jira.moving import UNITS, JiraIngestion, assert_equal, truth


@pytest.fixture
def jira():
    with SandboxJira(JiraSite(projects=("AND", "OPS", "OLD"), issues=90, people=12)) as server:
        yield server


@pytest.fixture
def mover(jira, database):
    moving = JiraIngestion(jira, database)
    yield moving
    moving.close()


@pytest.mark.parametrize("name", ["issues", "comments", "worklogs"])
@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_an_archived_project_that_the_search_refuses(jira, mover, name, mode):
    """Its key answers 400: the other projects arrive, and the gap names it; so does a run that reads it late."""
    mover.unit(name)
    jira.site.refuses_archived = True
    jira.site.archive_project("OLD")
    with pytest.raises(CompletenessGapError, match="OLD"):
        mover.run(name, mode)
    assert_equal(mover, name)
    changed = next(one for one in jira.site.issues() if one.comments and one.worklogs)
    jira.site.edit(changed, summary="still read")
    jira.site.comment(changed, "still read")
    jira.site.log_work(changed, 60)
    jira.site.pass_time(1)
    summary = mover.run(name, mode, allow_partial=True)
    assert all("'OLD' does not exist" in gap for gap in summary.gaps), summary.gaps
    assert_equal(mover, name)
    watermarks = summary.checkpoint_after["transient"]["projects"]
    assert set(watermarks) == {"AND", "OPS"}, "the project with the gap is read from its beginning when it is back"
    jira.site.archive_project("OLD", archived=False)
    mover.run(name, mode)
    assert_equal(mover, name)


@pytest.mark.parametrize("half", [r"\ud83d", r"\uDE00"], ids=["first", "second"])
def test_half_an_emoji_is_repaired_at_once(jira, mover, half):
    """It becomes U+FFFD, the rest of the page arrives, and no request is made twice."""
    odd = jira.site.issues()[17]
    summary = r"a \ud83d\ude00 b " + half + r" c \\ud83d"
    jira.site.edit(odd, summary="<odd>")
    jira.site.comment(odd, "<odd>")
    reply = jira.api.reply

    def with_half(*request, **how):
        answer = reply(*request, **how)
        answer.body = answer.body.replace(b"<odd>", summary.encode())
        return answer

    jira.api.reply = with_half
    mover.run("issues")
    mover.run("comments")
    theirs = truth(jira.site, "issues")
    whole = "a 😀 b \ufffd c \\ud83d"
    theirs[odd.issue_id]["fields"]["summary"] = whole
    assert mover.raw("issues") == theirs
    assert mover.query(f"SELECT summary AS s FROM jira.issues WHERE id = '{odd.issue_id}'") == [(whole,)]
    assert set(mover.raw("comments")) == set(truth(jira.site, "comments"))
    fetched = [tuple(one.body["issueIdsOrKeys"]) for one in jira.requests_to("/bulkfetch")]
    assert len(fetched) == 2 * len(set(fetched)), "once for issues, once for comments: none was tried again"


def test_characters():
    """Right values: pairs, halves, escaped backslashes, bytes that are no UTF-8; nothing else is touched."""
    for body, text in [
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (b'"\xff"', "\ufffd"),
        ('"é😀\\u0000"'.encode(), "é😀\0"),
    ]:
        assert json.loads(with_whole_characters(body)) == text
    assert with_whole_characters(b'{"half": ') == b'{"half": '


def test_created_and_deleted_while_the_index_lags(jira, mover):
    """The search still lists it when it is gone: asked by its id the site says 404, which is an answer."""
    for name in ("issues", "comments", "worklogs"):
        mover.run(name, "incremental")
    jira.site.lag_ms = 60_000
    jira.site.pass_time(3600)
    short_lived = jira.site.create("AND", comments=2, worklogs=2)
    jira.site.pass_time(40)
    jira.site.delete(short_lived)
    jira.site.pass_time(30)
    for name in ("issues", "comments", "worklogs"):
        summary = mover.run(name, "incremental", census_every_s=0)
        assert summary.gaps == ()
        assert_equal(mover, name)
    assert any(one.status == 404 and short_lived.issue_id in one.path for one in jira.requests)


@pytest.mark.parametrize("status", [429, 403])
def test_a_burst_limit_without_a_pause(status, database):
    """429 or 403, no Retry-After: a rate limit, and everything arrives."""
    with SandboxJira(JiraSite(issues=120), latency_s=0.01) as jira:
        mover = JiraIngestion(jira, database, concurrency=8, slice_issues=10)
        jira.faults = JiraFaults(most_at_once=2, limit_status=status)
        for name in UNITS:
            mover.run(name)
        assert_equal(mover)
        assert any(one.status == status for one in jira.requests), "the limit was met"
        mover.close()
