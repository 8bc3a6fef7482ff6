"""A whole connector over the tape: it reads from a replay what it read from the system, and lives through spoils."""

from __future__ import annotations

import base64
import json

import pytest

from connector_kit.tape.cassette import Cassette
from connector_kit.tape.scrub import Scrubber, secrets_of
from connector_kit.tape.server import TapeServer
from connector_kit.tape.spoil import All, Corrupt, Cut, Drop, Status
from connectors.jira.config import JiraConfig
from connectors.jira.source import JiraSource
from contracts.errors import SourceAuthError
from sandbox.jira import JiraSite, SandboxJira
from tests.conformance.api_source_suite import plan, rows
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
def taped(tmp_path_factory):
    """What was read from the live site, the cassette of it, and what no cassette may hold."""
    path = tmp_path_factory.mktemp("tape") / "site.jsonl"
    with SandboxJira(JiraSite(issues=60)) as server:
        config = config_of(server.url, server.token, server.email)
        direct = everything(config)
        record = Cassette(scrub=Scrubber(secrets_of(config)))
        with TapeServer(server.url, record) as tape:
            through = everything(config.model_copy(update={"base_url": tape.url}))
        secrets = [server.token, config.authorization, config.authorization.removeprefix("Basic ")]
    assert through == direct
    record.save(path)
    return direct, path, secrets


def test_the_same_rows_come_from_the_replay_as_from_the_site(taped):
    direct, path, _ = taped
    with TapeServer(Cassette.load(path)) as tape:
        assert everything(config_of(tape.url)) == direct
        assert tape.unmatched == []
        assert tape.trouble == []
    assert sum(len(value[0]) for key, value in direct.items() if key[0] == "jira.issues" and key[1] == "full") >= 60


def test_no_secret_is_in_the_file(taped):
    _, path, secrets = taped
    text = path.read_text()
    for secret in secrets:
        assert secret not in text
        assert base64.b64encode(secret.encode()).decode() not in text


def test_a_replay_that_is_spoiled_gives_the_same_rows(taped):
    direct, path, _ = taped
    spoil = All(
        Status(429, {"Retry-After": "0"}, nth=3),
        Status(503, nth=20, times=3),
        Drop(nth=9),
        Cut(nth=5, path="bulkfetch", times=2),
        Corrupt(nth=7),
        Corrupt(b"<html>Sign in</html>", nth=30),
    )
    with TapeServer(Cassette.load(path), spoil=spoil) as tape:
        assert everything(config_of(tape.url)) == direct
        assert tape.unmatched == []
    assert len(spoil.done) == 9


def test_a_login_that_fails_in_a_replay(taped):
    _, path, _ = taped
    with TapeServer(Cassette.load(path), spoil=Status(401, path="/myself")) as tape:
        source = JiraSource(config_of(tape.url))
        with pytest.raises(SourceAuthError):
            source.test_connection()
        source.close()
        assert tape.spoil.done == ["GET /rest/api/3/myself: answered 401"]
