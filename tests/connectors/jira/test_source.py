from __future__ import annotations

from contextlib import closing

import polars as pl
import pytest

from connectors.jira.config import JiraConfig
from connectors.jira.source import JiraSource
from contracts.errors import SourceAuthError, SourceUnreachableError
from sandbox.jira import JiraSite, SandboxJira
from sandbox.jira.server import CLOUD_ID
from tests.conformance.read_slices import plan, rows
from tests.connectors.jira.moving import QUICK, source_of

WRONG = {
    "token": {"api_token": "not the token"},
    "email": {"email": "nobody@example.com"},
    "bearer token": {"email": None, "api_token": None, "bearer_token": "not the token", "cloud_id": CLOUD_ID},
}


@pytest.mark.parametrize("settings", WRONG.values(), ids=WRONG)
def test_wrong_credentials_are_named_and_not_shown(settings):
    with SandboxJira() as server:
        gateway = {"gateway_url": server.url} if "cloud_id" in settings else {}
        with closing(source_of(server, **settings, **gateway)) as source, pytest.raises(SourceAuthError) as caught:
            source.test_connection()
    assert caught.value.next_step
    shown = f"{caught.value} {caught.value.to_json()} {caught.value.__cause__!r}"
    assert server.token not in shown
    assert "not the token" not in shown


def test_a_site_that_is_gone_is_named():
    with SandboxJira() as gone:
        source = source_of(gone, max_tries=2)
    with closing(source), pytest.raises(SourceUnreachableError) as caught:
        source.test_connection()
    assert caught.value.next_step
    assert gone.token not in f"{caught.value} {caught.value.to_json()} {caught.value.__cause__!r}"


def test_repairs_read_exactly_what_is_missing():
    with SandboxJira(JiraSite(projects=("AND", "OPS"), issues=90)) as server, closing(source_of(server)) as source:
        unit = unit_of(source, "jira.issues")
        made = plan(source, unit)
        wanted = sorted(issue.issue_id for issue in server.site.issues())[:5]
        pieces = source.repair_slices(made, [{unit.primary_key[0]: key} for key in wanted], 2)
        assert {piece.key for piece in pieces}.isdisjoint(piece.key for piece in made.slices)
        keys = [key for piece in pieces for key in rows(source, made, piece)[0][unit.primary_key[0]].cast(pl.String)]
    assert sorted(keys) == wanted


@pytest.mark.parametrize(
    ("unit", "path", "requests"), [("jira.users", "/users/search", 4), ("jira.projects", "/project/search", 3)]
)
def test_a_quiet_list_is_read_once(unit, path, requests):
    """450 users in pages of 200 and an empty end, 230 projects in pages of 100; each page repeats one row."""
    site = JiraSite(projects=[f"P{number}" for number in range(230)], people=450, issues=10)
    with SandboxJira(site) as server, closing(source_of(server)) as source:
        made = plan(source, unit_of(source, unit))
        before = len(server.requests_to(path))
        frame, report = rows(source, made, made.slices[0])
        assert frame.height == {"jira.users": 450, "jira.projects": 230}[unit]
        assert not report.gaps
        assert len(server.requests_to(path)) - before == requests


def test_users_that_leave_while_the_list_is_read_hide_nobody():
    """Removing a user moves the first user of the next page to the page that was read already."""
    site = JiraSite(people=450, issues=10)
    with SandboxJira(site) as server, closing(source_of(server)) as source:
        made = plan(source, unit_of(source, "jira.users"))
        everybody = {one["accountId"] for one in site.people()}
        removed: list[str] = []

        def remove_after_first_page(path: str) -> None:
            if path.endswith("/users/search") and server.requests_to("/users/search") and not removed:
                removed.append(site._people.pop(0)["accountId"])

        server.on_request = remove_after_first_page
        frame, _ = rows(source, made, made.slices[0])
    assert removed
    assert everybody - set(removed) <= set(frame["account_id"])


def unit_of(source: JiraSource, unit_id: str):
    units = source.list_units(source.collect_catalog("endpoint"))
    return next(one for one in units if one.unit_id == unit_id)


def test_a_bearer_token_goes_through_the_gateway():
    with SandboxJira() as server:
        config = {
            "base_url": server.url,
            "bearer_token": server.bearer,
            "cloud_id": CLOUD_ID,
            "gateway_url": server.url,
        }
        source = JiraSource(JiraConfig.model_validate({**config, **QUICK}))
        assert source.test_connection().account == "Reader"
        assert all(one.path.startswith(f"/ex/jira/{CLOUD_ID}/") for one in server.requests)
        source.close()


def test_options_of_the_selectors():
    with SandboxJira() as server:
        source = source_of(server)
        options = source.filter_options()
        assert set(options) == set(source.descriptor.selectors) - {"updatedFrom"}
        assert [one.value for one in options["projectKeys"]] == ["AND", "OPS"]
        waiting = next(one for one in options["statuses"] if one.value == 'Waiting for "legal"')
        assert waiting.details.keys() == {"id", "category"}
        assert {one.details.get("email") for one in options["assigneeIds"]} > {None}
        server.site.archive_project("OPS")
        assert [one.value for one in source.filter_options()["projectKeys"]] == ["AND"], "an archived one is no choice"
        source.close()
