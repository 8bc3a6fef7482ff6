"""What the source says and refuses, and the parts that need no run."""

from __future__ import annotations

import random

import polars as pl
import pytest
from pydantic import ValidationError

from connectors.http.client import HttpClient
from connectors.http.settings import HttpSettings
from connectors.http.tokens import ClientCredentials
from connectors.onedrive.config import OneDriveConfig
from connectors.onedrive.folders import Folder, FolderTree
from connectors.onedrive.rows import permission_row, without_addresses
from connectors.onedrive.scope import is_inside
from connectors.onedrive.source import OneDriveSource
from contracts.endpoint import PlanRequest
from contracts.errors import (
    CursorUnsupportedError,
    FilterNotSupportedError,
    ModeUnsupportedError,
    SourceAuthError,
    SourcePageFailedError,
)
from contracts.unit import Predicate
from sandbox.onedrive import DriveSite, SandboxOneDrive
from sandbox.onedrive.site import SITE_ID
from tests.connectors.onedrive.moving import settings_of


@pytest.fixture(scope="module")
def graph():
    with SandboxOneDrive(DriveSite(drives=3, items=60)) as server:
        yield server


OPENED: list[OneDriveSource] = []


@pytest.fixture(autouse=True)
def _closed():
    yield
    while OPENED:
        OPENED.pop().close()


def source_of(server, **settings) -> OneDriveSource:
    OPENED.append(OneDriveSource(OneDriveConfig.model_validate(settings_of(server, **settings))))
    return OPENED[-1]


def units_of(source):
    return {one.dataset.name: one for one in source.list_units(source.collect_catalog("site"))}


def plan_of(source, name, mode="incremental", checkpoint=None, **policy):
    unit = units_of(source)[name]
    chosen = unit.default_policy.model_copy(update=policy)
    return source.plan(PlanRequest(endpoint_id="s", unit=unit, mode=mode, policy=chosen, checkpoint=checkpoint))


def exported(source, plan, piece=0):
    frames, export = [], source.export(plan, plan.slices[piece])
    while True:
        try:
            frames.append(next(export))
        except StopIteration as end:
            return pl.concat(frames), end.value


def test_the_connection_names_the_account_and_what_cannot_be_seen(graph):
    report = source_of(graph, drive_ids=[graph.site.drives()[0].drive_id, "b!nothing"]).test_connection()
    assert report.account == f"application {graph.client_id}"
    assert report.details["drives"] == 1
    assert "b!nothing" in report.warnings[0]
    delegated = {"tenant": None, "client_id": None, "client_secret": None, "access_token": graph.delegated_token}
    mine = source_of(graph, drive_ids=[], **delegated)
    assert mine.test_connection().details["drives"] > 0
    assert not mine.test_connection().account.startswith("application")


def test_options_are_the_drives(graph):
    options = source_of(graph).filter_options()["driveIds"]
    assert {one.value for one in options} == {one.drive_id for one in graph.site.drives()}
    assert [one.label for one in options] == sorted(one.label for one in options)


def test_preview_gives_rows_of_every_unit(graph):
    source = source_of(graph)
    for name, unit in units_of(source).items():
        frame = source.preview(unit, 3)
        assert 0 < frame.height <= 3, name
        truth = graph.site.truth(name)
        assert set(frame["id"]) <= set(truth)
        if name == "item":
            assert {row["path"] for row in frame.to_dicts()} == {truth[key]["path"] for key in frame["id"]}


@pytest.mark.parametrize(
    ("name", "selectors"),
    [
        ("item", {"updatedFrom": "2025-01-01"}),
        ("item", {"rootPath": "Documents"}),
        ("item", {"driveIds": 7}),
        ("drive", {"rootPath": "/x"}),
    ],
)
def test_selectors_that_cannot_be_kept_are_refused(graph, name, selectors):
    source = source_of(graph)
    unit = units_of(source)[name]
    with pytest.raises(FilterNotSupportedError):
        source.check_selection(unit, unit.default_policy.model_copy(update={"selectors": selectors}))
    with pytest.raises(FilterNotSupportedError):
        source.preview(unit, 1, [Predicate(column="name", op="eq", value="x")])


def test_selected_drives_alone_are_planned_and_strange_ones_are_gaps(graph):
    source = source_of(graph)
    one = graph.site.drives()[1].drive_id
    assert [piece.params["drive"] for piece in plan_of(source, "item", selectors={"driveIds": [one]}).slices] == [one]
    plan = plan_of(source, "item", selectors={"driveIds": ["b!strange"]})
    _, report = exported(source, plan)
    assert "b!strange" in report.gaps[0]


def test_drives_have_no_incremental_mode(graph):
    with pytest.raises(ModeUnsupportedError):
        plan_of(source_of(graph), "drive")


def test_a_damaged_link_is_read_in_full_and_a_foreign_one_is_refused(graph):
    source = source_of(graph, drive_ids=[graph.site.drives()[0].drive_id])
    first = plan_of(source, "item")
    drive = first.slices[0].params["drive"]
    _, report = exported(source, first)
    saved = report.observed["drive"]
    for link, rows in ((saved["deltaLink"], 0), (f"{graph.url}/v1.0/drives/{drive}/root/delta?token=damaged", 21)):
        checkpoint = {**first.checkpoint_after, "transient": {"drives": {drive: {**saved, "deltaLink": link}}}}
        assert exported(source, plan_of(source, "item", checkpoint=checkpoint))[0].height == rows
    checkpoint = {
        **first.checkpoint_after,
        "transient": {"drives": {drive: {**saved, "deltaLink": "https://x.example/"}}},
    }
    with pytest.raises(SourcePageFailedError, match="another server"):
        exported(source, plan_of(source, "item", checkpoint=checkpoint))
    with pytest.raises(CursorUnsupportedError):
        plan_of(source, "item", checkpoint={"transient": 7})


def test_a_wrong_secret_is_told_without_it(graph):
    with pytest.raises(SourceAuthError, match="7000215") as caught:
        source_of(graph, client_secret="wrong-secret-value").test_connection()
    assert "wrong-secret-value" not in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [{"tenant": None}, {"access_token": "x"}, {"drive_ids": []}, {"login_url": "ftp://x"}, {"tenant": "a/../b"}],
)
def test_configurations_that_make_no_sense(graph, changed):
    with pytest.raises(ValidationError):
        OneDriveConfig.model_validate(settings_of(graph, **changed))


def test_tokens_are_renewed_before_they_expire(graph):
    now = [0.0]
    form = {"client_id": graph.client_id, "client_secret": graph.client_secret, "grant_type": "client_credentials"}
    form["scope"] = "https://graph.microsoft.com/.default"
    login = HttpClient(graph.login_url, HttpSettings(), {})
    tokens = ClientCredentials(login, f"/{graph.tenant}/oauth2/v2.0/token", form, clock=lambda: now[0])
    first = tokens.current()
    now[0] = graph.faults.expires_in - 301
    assert tokens.current() == first
    now[0] += 2
    second = tokens.current()
    assert second != first
    assert tokens.renewed(first) == second, "another thread has renewed it already"
    assert login.requests == 2
    tokens.close()


def test_the_tree_of_folders():
    rng = random.Random(1)
    folders = {"f0": Folder("", "root")}
    for number in range(1, 300):
        folders[f"f{number}"] = Folder(f"f{rng.randrange(number)}", f"n{number}")
    tree = FolderTree(folders)
    assert FolderTree.decoded(tree.encoded()).folders == folders
    for one in folders:
        parts, at = [], one
        while folders[at].parent:
            parts, at = [folders[at].name, *parts], folders[at].parent
        assert tree.path(one) == "/" + "/".join(parts)
    top = "f3"
    inside = {one for one in folders if (tree.path(one) + "/").startswith(tree.path(top) + "/")}
    assert tree.below([top]) == inside
    circle = FolderTree({"a": Folder("b", "a"), "b": Folder("a", "b"), "c": Folder("lost", "c")})
    assert [circle.path(one) for one in ("a", "b", "c", "lost")] == [None] * 4
    assert tree.is_moved({"f3": Folder("f0", "other")}, ())
    assert tree.is_moved({}, ["f3"])
    assert not tree.is_moved({"f3": folders["f3"], "new": Folder("f3", "x")}, ["file"])


def test_paths_are_compared_as_the_service_compares_names():
    assert is_inside("/Docs/a.txt", ("/docs",))
    assert is_inside("/docs", ("/docs",))
    assert not is_inside("/docs2/a.txt", ("/docs",))
    assert is_inside("/anything", ())


def test_addresses_that_need_no_login_are_left_out_at_any_depth():
    payload = {"id": "1", "@microsoft.graph.downloadUrl": "x", "a": [{"@content.downloadUrl": "y", "b": 1}]}
    assert without_addresses(payload) == {"id": "1", "a": [{"b": 1}]}


def test_who_a_permission_is_given_to():
    old = b'{"id":"p","roles":["read"],"grantedTo":{"user":{"id":"u","displayName":"U"}}}'
    row = permission_row("d", "i", old)
    assert (row["principal_type"], row["principal_id"], row["id"]) == ("user", "u", "d:i:p")
    link = b'{"id":"p","roles":["read"],"link":{"type":"view","scope":"anonymous"},"grantedToV2":{"user":{"id":"u"}}}'
    row = permission_row("d", "i", link)
    assert (row["principal_type"], row["principal_id"], row["link_scope"]) == ("link", None, "anonymous")


def test_half_a_character_in_a_name_stops_no_drive(graph):
    """A page that holds one could never be read otherwise."""
    with SandboxOneDrive(DriveSite(drives=1, items=4)) as server:
        drive = server.site.drives()[0]
        told = server.api._told

        def with_half(*of):
            reply = told(*of)
            reply.body = reply.body.replace(b'"name":"', b'"name":"\\ud83d ', 1)
            return reply

        server.api._told = with_half
        source = source_of(server, drive_ids=[drive.drive_id])
        frame, _ = exported(source, plan_of(source, "item"))
        assert any(name.startswith("\ufffd ") for name in frame["name"])
        assert frame.height == 5


def test_the_id_of_a_site_stays_whole(graph):
    """It holds commas."""
    source = source_of(graph, drive_ids=[], site_ids=SITE_ID)
    libraries = {one.drive_id for one in graph.site.drives() if one.site_id}
    assert {one.value for one in source.filter_options()["driveIds"]} == libraries
