"""Proof of issue 14 for drives: full and incremental runs equal the truth, field by field, whatever happens."""

from __future__ import annotations

import os
import random

import pytest

from contracts.errors import CompletenessGapError, SourceAuthError
from sandbox.onedrive import DriveSite, OneDriveFaults, SandboxOneDrive
from tests.connectors.onedrive.moving import UNITS, DriveIngestion, assert_equal

PROVE = bool(os.environ.get("NUCLEUS_PROVE"))
NEVER = {"census_every_s": 1e9, "max_delete_fraction": 1.0}
"""No census but the one that a plan decides on."""


@pytest.fixture
def graph():
    with SandboxOneDrive(DriveSite(drives=3, items=48)) as server:
        yield server


@pytest.fixture
def mover(graph, database):
    with DriveIngestion(graph, database) as moving:
        yield moving


def everything(mover: DriveIngestion, mode: str, *names: str, **policy) -> None:
    for name in names or UNITS:
        mover.run(name, mode if mode in mover.unit(name).supported_modes else "full", **policy)


@pytest.mark.parametrize("seed", range(1, 9 if PROVE else 2))
def test_rounds_of_changes_end_with_the_truth(seed, database):
    """Every kind of change by chance, and each incremental run ends equal."""
    rng = random.Random(seed)
    with (
        SandboxOneDrive(DriveSite(drives=3, items=48, seed=seed)) as server,
        DriveIngestion(server, database) as mover,
    ):
        everything(mover, "full")
        assert_equal(mover)
        for _ in range(2):
            server.site.churn(9, rng)
            everything(mover, "incremental", **NEVER)
            assert_equal(mover)


@pytest.mark.parametrize("pages", range(6) if PROVE else [1, 4])
def test_a_drive_breaks_off(pages, graph, database):
    """410 in the middle of an enumeration, of a slice's changes, or of the reading that follows the slices."""
    with DriveIngestion(graph, database, page_size=10, concurrency=1) as mover:
        mover.unit("item")
        graph.faults.gone_after = 2
        mover.run("item")
        assert_equal(mover, "item")
        rng = random.Random(pages)
        graph.site.churn(30, rng)
        graph.faults.gone_after = pages
        mover.run("item", "incremental", **NEVER)
        assert graph.faults.gone_after is None, "it happened"
        assert_equal(mover, "item")
        graph.site.churn(5, rng)
        graph.faults.forget_tokens()
        everything(mover, "incremental", "item", "version", **NEVER)
        assert_equal(mover, "item", "version")


def test_a_folder_with_a_thousand_descendants(database):
    """Renamed, moved and deleted: one event, and every row below is right."""
    site = DriveSite(drives=1, items=20)
    drive = site.drives()[0]
    top = site.create_folder(drive, None, "top")
    inner = site.create_folder(drive, top, "inner")
    for number in range(1_000):
        site.create_file(drive, inner, f"{number}.txt")
    with SandboxOneDrive(site) as server, DriveIngestion(server, database, page_size=500) as mover:
        mover.run("item")
        link = mover.checkpoints["onedrive.item"]["transient"]["drives"][drive.drive_id]["deltaLink"]
        site.rename(top, "renamed")
        mover.run("item", "incremental", **NEVER)
        assert_equal(mover, "item")
        assert sum(row["path"].startswith("/renamed/inner/") for row in mover.rows("item").values()) == 1_000
        assert mover.checkpoints["onedrive.item"]["transient"]["drives"][drive.drive_id]["deltaLink"] != link
        site.delete(inner)
        assert mover.run("item", "incremental", **NEVER).rows_deleted == 1_001
        assert_equal(mover, "item")


def test_an_incremental_run_reads_what_changed(graph, mover):
    """Requests and rows are those of the change, not of the drives."""
    everything(mover, "full", "item", "version", "permission")
    file = graph.site.items(graph.site.drives()[0], "file")[0]
    graph.site.edit_file(file)
    above = len([*graph.site.ancestors(file)])
    for name, most in (("item", 1 + above), ("version", 9), ("permission", 9 * (1 + above))):
        before = len(graph.requests)
        summary = mover.run(name, "incremental", **NEVER)
        assert 0 < summary.rows_staged <= most, name
        assert len(graph.requests) - before < 40, name
    assert_equal(mover, "item", "version", "permission")
    graph.site.rename(next(graph.site.ancestors(file)), "renamed")
    before = len(graph.requests)
    mover.run("version", "incremental", **NEVER)
    assert len(graph.requests) - before < 40, "a path is no reason to ask for versions"
    assert_equal(mover, "version")


def test_tombstones_come_before_their_items_and_of_items_never_seen(graph, mover):
    """What is created and deleted between two runs, and what is deleted, restored and edited, ends right."""
    mover.run("item")
    site, drive = graph.site, graph.site.drives()[1]
    passing = site.create_file(drive, None, "passing.txt")
    site.delete(passing)
    back = site.items(drive, "file")[0]
    for _ in range(3):
        site.delete(back)
        site.restore(back)
        site.edit_file(back)
    gone = site.items(drive, "file")[1]
    site.delete(gone)
    summary = mover.run("item", "incremental", **NEVER)
    assert summary.rows_deleted == 1
    assert_equal(mover, "item")


def test_a_root_path_is_left_and_entered(graph, database):
    """A file moved out is gone, one moved in is there, and a wider path reads all again."""
    site, drive = graph.site, graph.site.drives()[0]
    inside, outside = site.create_folder(drive, None, "In side"), site.create_folder(drive, None, "Outside")
    kept, leaves = (site.create_file(drive, inside, name) for name in ("kept.txt", "leaves.txt"))
    enters = site.create_file(drive, outside, "enters.txt")
    with DriveIngestion(graph, database) as mover:
        scoped = {"selectors": {"rootPath": "/In side"}, **NEVER}
        everything(mover, "full", "item", "version", **scoped)
        site.move(leaves, outside)
        site.move(enters, inside)
        site.edit_file(kept)
        everything(mover, "incremental", "item", "version", **scoped)
        assert_equal(mover, "item", "version", root_path="/In side")
        assert {row["name"] for row in mover.rows("item").values()} == {"In side", "kept.txt", "enters.txt"}
        everything(mover, "incremental", "item", "version", **NEVER)
        assert_equal(mover, "item", "version")


def test_drives_come_and_go(graph, database):
    """A new drive of a user is read in full, one that is gone takes its rows with it; the others go on."""
    site = graph.site
    owners = {one.owner[1] for one in site.drives() if one.owner[0] == "user"}
    with DriveIngestion(graph, database, drive_ids=[], user_ids=sorted(owners), site_ids=["root"]) as mover:
        everything(mover, "full", "drive", "item")
        assert_equal(mover, "drive", "item")
        new = next(one for one in [site.add_drive() for _ in range(3)] if one.site_id)
        site.create_file(new, None, "first.txt")
        site.remove_drive(site.drives()[1])
        everything(mover, "incremental", "drive", "item", **NEVER)
        assert {row["id"] for row in mover.rows("drive").values()} == {
            row["drive_id"] for row in mover.rows("item").values()
        }
        assert new.drive_id in mover.rows("drive")


def test_tokens_expire_during_a_run(graph, mover):
    """Before their time and in it: new ones are asked for, once for all workers."""
    mover.unit("item")
    served = iter(range(1, 10_000))
    graph.on_request = lambda path: graph.expire_tokens() if next(served) % 15 == 0 else None
    everything(mover, "full", "item", "version")
    graph.on_request = lambda path: None
    assert_equal(mover, "item", "version")
    assert sum("/login/" in one.path for one in graph.requests) > 3


@pytest.mark.parametrize("what", ["secret", "revoked"])
def test_a_login_that_does_not_count_deletes_nothing(what, graph, database):
    with DriveIngestion(graph, database) as mover:
        everything(mover, "full")
        before = {name: mover.rows(name) for name in UNITS}
        graph.site.churn(10, random.Random(1))
    if what == "revoked":
        graph.expired = True
    secret = {"client_secret": "wrong"} if what == "secret" else {}
    with DriveIngestion(graph, database, **secret) as again:
        again._units, again.checkpoints = mover._units, mover.checkpoints
        for name in UNITS:
            for mode in again.unit(name).supported_modes:
                with pytest.raises(SourceAuthError) as caught:
                    again.run(name, mode)
                assert graph.client_secret not in str(caught.value)
            assert again.rows(name) == before[name]


@pytest.mark.parametrize("seed", range(1, 5 if PROVE else 2))
def test_a_third_of_all_requests_fail(seed, database):
    """429, 500s, cut and corrupt bodies: 30 % of requests."""
    with (
        SandboxOneDrive(DriveSite(drives=3, items=45, seed=seed)) as server,
        DriveIngestion(server, database) as mover,
    ):
        mover.unit("item")
        server.faults = OneDriveFaults(seed=seed, throttled=0.08, failing=0.1, cut=0.07, corrupt=0.05)
        everything(mover, "full")
        server.site.churn(10, random.Random(seed))
        everything(mover, "incremental", **NEVER)
        server.faults = OneDriveFaults()
        assert_equal(mover)
        assert sum(one.status >= 429 for one in server.requests) > 10


@pytest.mark.parametrize("seed", range(3, 12 if PROVE else 4))
def test_drives_that_change_while_they_are_read(seed, database):
    """What was there before a run and still is, is never lost; the next quiet run is equal."""
    rng = random.Random(seed)
    with (
        SandboxOneDrive(DriveSite(drives=2, items=60, seed=seed)) as server,
        DriveIngestion(server, database) as mover,
    ):
        mover.unit("item")
        for mode in ("full", "incremental"):
            server.on_request = lambda path: server.site.churn(1, rng) if rng.random() < 0.2 else None
            everything(mover, mode, "item", "version", "permission", **NEVER)
            server.on_request = lambda path: None
        everything(mover, "incremental", "item", "version", "permission", **NEVER)
        assert_equal(mover, "item", "version", "permission")


def test_a_drive_that_cannot_be_seen_is_a_gap_and_deletes_nothing(graph, mover):
    everything(mover, "full", "item")
    blocked, other = graph.site.drives()[:2]
    rows = mover.rows("item")
    graph.site.block_drive(blocked, 404)
    gone = graph.site.items(other, "file")[0]
    graph.site.delete(gone)
    with pytest.raises(CompletenessGapError, match=blocked.drive_id):
        mover.run("item", "incremental", **NEVER)
    summary = mover.run("item", "incremental", allow_partial=True, **NEVER)
    assert blocked.drive_id in summary.gaps[0]
    assert mover.rows("item").keys() == rows.keys()
    graph.site.block_drive(blocked, None)
    mover.run("item", "incremental", **NEVER)
    assert_equal(mover, "item")


def test_a_hidden_item_is_a_named_gap(graph, mover):
    drive = graph.site.drives()[0]
    hidden = graph.site.items(drive, "file")[0]
    graph.site.hide_permissions(hidden)
    with pytest.raises(CompletenessGapError, match=hidden.item_id):
        mover.run("permission")
    mover.run("permission", allow_partial=True)
    assert_equal(mover, "permission")
    graph.site.hide_permissions(hidden, hidden=False)
    mover.run("permission", "incremental", **NEVER)
    assert_equal(mover, "permission")


def test_no_pre_authenticated_address_is_requested_or_stored(graph, mover):
    everything(mover, "full")
    assert not [one.path for one in graph.requests if "/download/" in one.path]
    for name in UNITS:
        dataset = mover.unit(name).dataset
        assert mover.query(
            f'SELECT count(*) FROM "{dataset.namespace}"."{name}" WHERE raw::text LIKE \'%tempauth%\''
        ) == [(0,)]


def test_common_models_hold_the_same_rows(database):
    """Moves, deletions of folders and lost versions reach the documents family too."""
    rng = random.Random(5)
    with (
        SandboxOneDrive(DriveSite(drives=2, items=40)) as server,
        DriveIngestion(server, database, data_mode="cdm") as mover,
    ):
        everything(mover, "full")
        for _ in range(2):
            server.site.churn(8, rng)
            everything(mover, "incremental", **NEVER)
            for name, table in (
                ("drive", "space"),
                ("item", "item"),
                ("version", "revision"),
                ("permission", "access"),
            ):
                told = mover.query(f"SELECT source_id FROM cdm_doc.cdm_{table} WHERE deleted_at IS NULL")
                assert {row[0] for row in told} == set(server.site.truth(name)), name
            paths = dict(mover.query("SELECT source_id, path FROM cdm_doc.cdm_item WHERE deleted_at IS NULL"))
            assert paths == {key: row["path"] for key, row in server.site.truth("item").items()}


def test_what_no_feed_told_is_found_by_the_census(graph, mover):
    """Deletions have been reported missing from feeds, and so may a change be: a daily enumeration finds both."""
    mover.run("item")
    site, drive = graph.site, graph.site.drives()[2]
    gone, renamed, *_ = site.items(drive, "file")
    site._detach(gone)
    gone.deleted = True
    renamed.name = "renamed without a word"
    mover.run("item", "incremental", **NEVER)
    assert mover.differences("item")
    summary = mover.run("item", "incremental", census_every_s=0)
    assert summary.rows_deleted == 1
    assert_equal(mover, "item")


def test_deleted_versions_are_found_by_a_full_run(graph, mover):
    """No feed tells that an old version was deleted."""
    file = graph.site.items(graph.site.drives()[0], "file")[0]
    graph.site.edit_file(file)
    mover.run("version")
    graph.site.delete_version(file, graph.site.versions(file)[-1])
    assert mover.run("version").rows_deleted == 1
    assert_equal(mover, "version")
