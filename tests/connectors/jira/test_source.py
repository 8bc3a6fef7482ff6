from __future__ import annotations

import pytest

from connectors.jira.config import JiraConfig
from connectors.jira.source import JiraSource
from sandbox.jira import JiraFaults, JiraSite, SandboxJira
from sandbox.jira.server import CLOUD_ID
from tests.conformance.api_source_suite import ApiSourceSuite
from tests.connectors.jira.moving import QUICK, source_of


class Lab:
    """A small site."""

    unit_id = "jira.issues"

    def __init__(self, server: SandboxJira) -> None:
        self.server, self.site, self.secret = server, server.site, server.token

    def source(self) -> JiraSource:
        return source_of(self.server)

    def broken_sources(self):
        yield "E_SOURCE_AUTH", source_of(self.server, api_token=self.secret + "x")
        yield "E_SOURCE_AUTH", source_of(self.server, email="nobody@example.com")
        bearer = {"email": None, "api_token": None, "cloud_id": CLOUD_ID, "gateway_url": self.server.url}
        yield "E_SOURCE_AUTH", source_of(self.server, bearer_token="wrong", **bearer)
        with SandboxJira() as gone:
            url = gone.url
        yield "E_SOURCE_UNREACHABLE", source_of(self.server, base_url=url, max_tries=2)

    def keys(self) -> set[str]:
        return {issue.issue_id for issue in self.site.issues()}

    def change(self, count: int) -> set[str]:
        self.site.pass_time(3600)
        changed = self.site.issues()[:count]
        for issue in changed:
            self.site.edit(issue, summary="changed")
        return {issue.issue_id for issue in changed}

    def remove(self) -> str:
        issue = self.site.issues()[4]
        self.site.delete(issue)
        return issue.issue_id

    def expire(self) -> None:
        self.server.expired = True

    def spoil(self, share: float) -> None:
        part = share / 4
        self.server.faults = JiraFaults(seed=5, throttled=part, failing=part, cut=part, corrupt=part)


class TestJiraSource(ApiSourceSuite):
    @pytest.fixture
    def lab(self):
        with SandboxJira(JiraSite(projects=("AND", "OPS"), issues=90)) as server:
            yield Lab(server)


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
        assert 'Waiting for "legal"' in {one.value for one in options["statuses"]}
        source.close()
