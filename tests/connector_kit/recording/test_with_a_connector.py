"""A whole connector through the proxy: it reads from a replay what it read from the system, and lives through faults."""

from __future__ import annotations

import base64
import json

import pytest

from connector_kit.recording.cassette import Cassette
from connector_kit.recording.faults import AllFaults, CorruptBody, ResetConnection, RespondWithStatus, TruncateBody
from connector_kit.recording.proxy import RecordingProxy
from connector_kit.recording.scrubbing import Scrubber, secrets_of
from connectors.jira.config import JiraConfig
from connectors.jira.source import JiraSource
from contracts.errors import SourceAuthError
from sandbox.jira import JiraSite, SandboxJira
from tests.conformance.read_slices import plan, rows
from tests.connectors.jira.moving import QUICK

MADE_UP = "made-up-token"


def config_of(url: str, token: str = MADE_UP, email: str = "reader@example.com", **settings) -> JiraConfig:
    return JiraConfig.model_validate({"base_url": url, "email": email, "api_token": token, **QUICK, **settings})


def everything(config: JiraConfig):
    """Every row of every unit, full and incremental, late and by key; with who was asked and what may be chosen."""
    source = JiraSource(config)
    read = {"connection": source.test_connection().account, "options": source.filter_options()}
    for unit in source.list_units(source.collect_catalog("endpoint")):
        checkpoint = None
        for mode in sorted(unit.supported_modes):
            made = plan(source, unit, mode, checkpoint)
            for piece in (*made.slices, *source.late_slices(made, 1)):
                frame, report = rows(source, made, piece)
                read[unit.unit_id, mode, piece.key] = (neutral(frame, config), report.expected_rows, report.gaps)
            checkpoint = source.checkpoint(made, ())
        read[unit.unit_id, "keys"] = [neutral(frame, config) for frame in source.export_keys(made)]
        read[unit.unit_id, "preview"] = neutral(source.preview(unit, 5), config)
    source.close()
    return read


def neutral(frame, config: JiraConfig):
    """Rows, with the address of the site (rows link to it) written without its port."""
    text = json.dumps(frame.to_dicts(), default=str)
    return json.loads(text.replace(config.base_url, "http://site"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """What was read from the live site, the cassette of it, and what no cassette may hold."""
    path = tmp_path_factory.mktemp("proxy") / "site.jsonl"
    with SandboxJira(JiraSite(issues=60)) as server:
        config = config_of(server.url, server.token, server.email)
        direct = everything(config)
        record = Cassette(scrub=Scrubber(secrets_of(config)))
        with RecordingProxy(server.url, record) as proxy:
            through = everything(config.model_copy(update={"base_url": proxy.url}))
        secrets = [server.token, config.authorization, config.authorization.removeprefix("Basic ")]
    assert through == direct
    record.save(path)
    return direct, path, secrets


def test_the_same_rows_come_from_the_replay_as_from_the_site(recorded):
    direct, path, _ = recorded
    with RecordingProxy(Cassette.load(path)) as proxy:
        assert everything(config_of(proxy.url)) == direct
        assert proxy.unmatched == []
        assert proxy.trouble == []
    assert sum(len(value[0]) for key, value in direct.items() if key[0] == "jira.issues" and key[1] == "full") >= 60


def test_no_secret_is_in_the_file(recorded):
    _, path, secrets = recorded
    text = path.read_text()
    for secret in secrets:
        assert secret not in text
        assert base64.b64encode(secret.encode()).decode() not in text


def test_a_replay_that_is_spoiled_gives_the_same_rows(recorded):
    direct, path, _ = recorded
    fault = AllFaults(
        RespondWithStatus(429, {"Retry-After": "0"}, nth=3),
        RespondWithStatus(503, nth=20, times=3),
        ResetConnection(nth=9),
        TruncateBody(nth=5, path="bulkfetch", times=2),
        CorruptBody(nth=7),
        CorruptBody(b"<html>Sign in</html>", nth=30),
    )
    with RecordingProxy(Cassette.load(path), fault=fault) as proxy:
        assert everything(config_of(proxy.url)) == direct
        assert proxy.unmatched == []
    assert len(fault.done) == 9


def test_a_login_that_fails_in_a_replay(recorded):
    _, path, _ = recorded
    with RecordingProxy(Cassette.load(path), fault=RespondWithStatus(401, path="/myself")) as proxy:
        source = JiraSource(config_of(proxy.url))
        with pytest.raises(SourceAuthError):
            source.test_connection()
        source.close()
        assert proxy.fault.done == ["GET /rest/api/3/myself: answered 401"]
