"""Proof of issue 14, "Done when" 1 and 3: runs equal the site's truth after every kind of change and fault."""

from __future__ import annotations

import json
import random

import pytest

from contracts.errors import CompletenessGapError, FilterNotSupportedError, SourceAuthError
from sandbox.confluence import ConfluenceFaults, ConfluenceSite, SandboxConfluence
from tests.connectors.confluence.moving import UNITS, ConfluenceIngestion, assert_equal
from tests.exactness.executors import PROVE

ROUNDS = 6 if PROVE else 1
"""Of changes and incremental runs; more of them under `make prove`."""


def site_of(**changes) -> ConfluenceSite:
    return ConfluenceSite(**{"pages": 60 if PROVE else 45, **changes})


@pytest.fixture
def wiki():
    with SandboxConfluence(site_of()) as server:
        yield server


@pytest.fixture
def mover(wiki, database):
    moving = ConfluenceIngestion(wiki, database)
    yield moving
    moving.close()


def everything(mover: ConfluenceIngestion, mode: str, **policy) -> None:
    for name in UNITS:
        mover.run(name, mode, **policy)


def assert_quiet(mover: ConfluenceIngestion, *names: str) -> None:
    """Where nothing changed, a census finds no difference; the first of the runs moves the overlap past the changes."""
    for name in names:
        mover.server.site.advance(3600)
        mover.run(name, "incremental")
        mover.server.site.advance(3600)
        assert mover.run(name, "incremental", census_every_s=0).rows_staged == 0, name


def test_full_then_incremental(wiki, mover):
    """Every unit, after a full run and after incremental ones over changes of every kind."""
    everything(mover, "full")
    assert_equal(mover)
    chance = random.Random(3)
    for _ in range(ROUNDS):
        wiki.site.advance(3600)
        wiki.site.churn(60, chance)
        everything(mover, "incremental", census_every_s=0)
        assert_equal(mover)
    assert_quiet(mover, "page", "attachment", "comment", "link", "version")


def test_thirty_percent_of_answers_are_faulty(database):
    """429 with and without a pause, 5xx as HTML, connections cut, bodies cut, expired cursors, short and empty pages."""
    faults = ConfluenceFaults(
        throttled=0.08,
        failing=0.1,
        cut=0.06,
        corrupt=0.06,
        expire_next=3,
        short_pages=True,
        replies_lack_container=True,
    )
    with SandboxConfluence(site_of(seed=2), faults=faults) as wiki:
        wiki.site.step_ms = 0  # ties inside one millisecond
        mover = ConfluenceIngestion(wiki, database)
        everything(mover, "full")
        assert_equal(mover)
        wiki.site.advance(3600)
        wiki.site.churn(30, random.Random(5))
        everything(mover, "incremental", census_every_s=0)
        assert_equal(mover)
        mover.close()


@pytest.mark.parametrize("seed", range(8 if PROVE else 1))
def test_changes_during_the_run(seed, database):
    """The site changes between requests; a quiet incremental run later both sides are equal."""
    with SandboxConfluence(site_of(seed=seed, spaces=("ENG", "OPS", "DOC", "~ada"))) as wiki:
        mover, chance = ConfluenceIngestion(wiki, database, slice_pages=10), random.Random(seed)

        def change(_path: str) -> None:
            if chance.random() < 0.3:
                wiki.site.churn(1, chance)

        for mode in ("full", "incremental"):
            wiki.on_request = change
            for name in ("page", "comment", "attachment", "link"):
                mover.run(name, mode, census_every_s=0)
            wiki.on_request = lambda _path: None
            wiki.site.advance(3600)
            for name in ("page", "comment", "attachment", "link"):
                mover.run(name, "incremental", census_every_s=0)
            assert_equal(mover, "page", "comment", "attachment", "link")
        mover.close()


def test_every_fate_of_a_page(wiki, mover):
    """Moved, archived, trashed, restored, purged, labelled: none makes a version, each ends right."""
    site = wiki.site
    mover.run("page")
    pages = [key for key, row in site.truth("page").items() if row["type"] == "page"]
    trashed, purged, moved, up, archived, labelled = pages[10:16]
    for fate, page in (("trash", trashed), ("trash", purged), ("archive", archived)):
        getattr(site, fate)(int(page))
    site.purge(int(purged))
    site.move(int(moved), space="OPS")
    site.move(int(up), parent=None)
    site.add_label(int(labelled), "new-label")
    site.advance(3600)
    mover.run("page", "incremental", census_every_s=0)
    assert_equal(mover, "page")
    assert not {trashed, purged} & set(mover.rows("page"))
    site.restore(int(trashed))
    site.unarchive(int(archived))
    site.archive_space("OPS")
    site.rename_space("ENG", "Engineering")
    site.advance(3600)
    for name in ("space", "page"):
        mover.run(name, "incremental", census_every_s=0)
    assert_equal(mover, "space", "page")


def test_an_incremental_run_costs_what_changed(wiki, mover):
    """Without a census: a list of pages, one of blog posts, and what was edited by id."""
    mover.run("page")
    wiki.site.advance(3600)
    edited = [key for key, row in wiki.site.truth("page").items() if row["type"] == "page"][:3]
    for page in edited:
        wiki.site.edit(int(page), body=(("text", "edited"),))
    before = len(wiki.requests)
    summary = mover.run("page", "incremental")
    assert summary.rows_updated == 3
    fetched = [one for one in wiki.requests[before:] if "body-format" in one.query]
    assert {part for one in fetched for part in one.query["id"][0].split(",")} == set(edited)
    assert len(wiki.requests) - before < 30
    assert_equal(mover, "page")


def test_rows_that_pages_lost(wiki, mover):
    """Links that an edit took out, and versions that were deleted from an edited page, go without a census."""
    for name in ("link", "version"):
        mover.run(name)
    wiki.site.advance(3600)
    rows = wiki.site.truth("version")
    page = next(row["content_id"] for row in rows.values() if row["number"] == 3 and row["content_type"] == "page")
    wiki.site.delete_version(int(page), min(row["number"] for row in rows.values() if row["content_id"] == page))
    for one in sorted({key[0] for key in wiki.site.truth("link")} | {page})[:12]:
        wiki.site.edit(int(one), body=(("external", "https://example.com/new", "new"),))
    for name in ("link", "version"):
        assert mover.run(name, "incremental").rows_deleted > 0, name
        assert_equal(mover, name)


def test_without_v1(database):
    """All but restrictions of pages is read; those are named, and nothing is removed."""
    with SandboxConfluence(site_of()) as wiki:
        mover = ConfluenceIngestion(wiki, database)
        mover.run("acl")
        before = len(mover.rows("acl"))
        wiki.faults.v1_gone = True
        everything_but_acl = [name for name in UNITS if name != "acl"]
        for name in everything_but_acl:
            mover.run(name)
        assert_equal(mover, *everything_but_acl)
        with pytest.raises(CompletenessGapError, match="REST v1"):
            mover.run("acl")
        assert len(mover.rows("acl")) == before
        mover.close()


@pytest.mark.parametrize(("public", "v1_gone"), [(("OPS",), False), ((), True)])
def test_a_login_that_lapses_is_not_believed(public, v1_gone, wiki, mover):
    """The site then answers a stranger: 200 and nothing, or public spaces only; before the run and in its middle."""
    names = ("page", "label")
    for name in names:
        mover.run(name)
    held = {name: len(mover.rows(name)) for name in names}
    wiki.faults.anonymous_empty, wiki.faults.public_spaces, wiki.faults.v1_gone = True, frozenset(public), v1_gone
    for requests in (0, 6):
        for name in names:
            wiki.expired = False
            left = [requests]

            def lapse(_path: str, left: list[int] = left) -> None:
                left[0] -= 1
                wiki.expired = wiki.expired or left[0] < 0

            wiki.on_request = lapse
            with pytest.raises((SourceAuthError, CompletenessGapError)):
                mover.run(name)
    wiki.on_request = lambda _path: None
    assert {name: len(mover.rows(name)) for name in names} == held


def test_wrong_token(wiki, database):
    mover = ConfluenceIngestion(wiki, database)
    mover.run("page")
    held = len(mover.rows("page"))
    wiki.expired = True
    with pytest.raises(SourceAuthError):
        mover.run("page", "incremental", census_every_s=0)
    assert len(mover.rows("page")) == held
    mover.close()


def test_selected_spaces(wiki, mover):
    """Narrowed, what is outside goes; widened, all of the new space comes; the old one is not read again."""
    for name in ("page", "comment", "attachment"):
        mover.run(name, selectors={"spaceKeys": ["ENG"]})
        assert_equal(mover, name, spaces=["ENG"])
    wiki.site.advance(3600)
    for name in ("page", "comment", "attachment"):
        mover.run(name, "incremental", selectors={"spaceKeys": ["ENG", "OPS"]})
        assert_equal(mover, name, spaces=["ENG", "OPS"])
    moved = next(key for key, row in wiki.site.truth("page", spaces=["OPS"]).items() if row["type"] == "page")
    wiki.site.move(int(moved), space="~ada")
    mover.run("page", "incremental", selectors={"spaceKeys": ["ENG", "OPS"]}, census_every_s=0)
    assert_equal(mover, "page", spaces=["ENG", "OPS"])
    with pytest.raises(FilterNotSupportedError):
        mover.run("label", selectors={"updatedFrom": "2026-01-01"})


def test_one_broken_page_does_not_stop_the_others(wiki, database):
    """Its list answers 500 for ever: the rest arrives, the page is named, and the space's watermark stays."""
    pages = [key for key, row in wiki.site.truth("page").items() if row["space_key"] == "ENG"]
    wiki.faults.broken_ids, wiki.faults.broken_lists = {pages[3]}, True
    quick = ConfluenceIngestion(wiki, database, max_tries=2, slice_pages=1000)
    with pytest.raises(CompletenessGapError, match=pages[3]):
        quick.run("page")
    assert set(quick.rows("page")) == set(wiki.site.truth("page")) - {pages[3]}
    quick.close()


def test_a_page_that_is_in_the_trash_for_a_moment(wiki, mover):
    """Out when its body is fetched, back when it is looked up: it arrives, and is no gap."""
    page = next(key for key, row in wiki.site.truth("page").items() if row["type"] == "page")
    fates = ["trash", "restore"]

    def play(target: str) -> None:
        fetched, looked_up = "body-format" in target and "/pages" in target, target.endswith(f"/pages/{page}")
        if (fetched and fates == ["trash", "restore"]) or (looked_up and fates == ["restore"]):
            getattr(wiki.site, fates.pop(0))(int(page))

    wiki.on_request = play
    mover.run("page", parallel_slices=1)
    assert not fates
    assert_equal(mover, "page")


def test_common_models(wiki, database):
    """Through the documents family: ids, parents and tags equal the truth after a census too."""
    mover = ConfluenceIngestion(wiki, database, data_mode="cdm")
    for name in ("page", "attachment", "comment", "link"):
        mover.run(name)
    wiki.site.advance(3600)
    wiki.site.churn(40, random.Random(8))
    for name in ("page", "attachment", "comment", "link"):
        mover.run(name, "incremental", census_every_s=0)
    alive = "FROM cdm_doc.cdm_{} WHERE deleted_at IS NULL"
    found = mover.query(
        "SELECT source_id, space_cdm_id, parent_item_cdm_id, tags::text, title "
        + alive.format("item")
        + " AND doc_type <> 'attachment'"
    )
    theirs = {
        key: (f"cdm:doc:space:confluence:{row['space_id']}",
              row["parent_id"] and f"cdm:doc:item:confluence:{row['parent_id']}", row["labels"])
        for key, row in wiki.site.truth("page").items()
    }  # fmt: skip
    assert {one[0]: (one[1], one[2], json.loads(one[3])) for one in found} == theirs
    for name, table, more in (
        ("attachment", "item", " AND doc_type = 'attachment'"), ("comment", "comment", ""),
    ):  # fmt: skip
        ours = {one[0] for one in mover.query(f"SELECT source_id {alive.format(table)}{more}")}
        assert ours == set(wiki.site.truth(name)), name
    count = mover.query(f"SELECT count(*) {alive.format('link')}")[0][0]
    assert count == len(wiki.site.truth("link"))
    assert_quiet(mover, "page", "attachment", "comment", "link")
    mover.close()
