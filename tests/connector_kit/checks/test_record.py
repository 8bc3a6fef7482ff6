"""Checks against a live system are kept, and pass again from what was kept."""

from __future__ import annotations

import pytest

from connector_kit.checks.on_tape import OnTape
from connector_kit.checks.record import record_checks, scrubber_of
from connector_kit.checks.run import run_checks
from connector_kit.recording.cassette import Cassette
from tests.connector_kit.authors import apis
from tests.connector_kit.authors.loading import authored_module

pytestmark = pytest.mark.slow(2)


def test_checks_pass_from_the_recording_as_they_passed_live(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    lab = authored_module("link", monkeypatch).AcmeTestSystem
    with lab() as system:
        cassette = Cassette.of("acme", "checks", record=True, scrub=scrubber_of(system))
        done = record_checks(system, cassette, ["plan", "resume.again", "incremental.removed"])
    cassette.save()
    assert done.differences == ()
    assert done.live.counts["failed"] == 0
    assert done.live.counts["untried"] == 1  # a live system is not written to

    class AcmeTapeTestSystem(OnTape, lab):
        connector = "acme"

    with AcmeTapeTestSystem() as taped:  # no server is started
        card = run_checks(taped, ["plan", "incremental.removed"])
        assert card.good, card.text()
        assert taped._server is None
    assert card.counts["excepted"] == 1
    kept = cassette.path.read_text()
    assert apis.TOKEN not in kept
    assert "secondary rate limit" not in kept  # it passes: the good answer is there
    fewer = Cassette([one for one in cassette.exchanges() if not any(name == "after" for name, _ in one.query)])
    with AcmeTapeTestSystem() as cut:
        cut.tape = fewer
        assert {one.verdict for one in run_checks(cut, ["plan.covering"]).results} == {"untried"}
