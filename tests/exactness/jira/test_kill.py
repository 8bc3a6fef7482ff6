"""Proof of issue 3, "Done when" 2: killed at random points again and again, a run ends equal to the site's truth."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from typing import Any

import pytest

from sandbox.jira import JiraSite, SandboxJira
from tests.connectors.jira.moving import QUICK

KILLS = 16
"""For each of two units: the issue asks for 30 together."""


class Chain:
    """Processes one after the other, each killed or not, over one site, one sink and one staging area."""

    def __init__(self, server: SandboxJira, sink_url: str, staging: str, unit: str) -> None:
        jira = {"base_url": server.url, "email": server.email, "api_token": server.token, **QUICK}
        self.asked = {"jira": jira, "sink": sink_url, "staging": staging, "unit": unit, "checkpoint": None}
        self.kills = 0

    def run(self, mode: str, after_s: float | None = None) -> dict[str, Any] | None:
        """The summary of a run that ended; None of one that was killed."""
        command = [sys.executable, "-m", "tests.exactness.jira.worker", json.dumps({**self.asked, "mode": mode})]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout.readline() == "begun\n", process.stderr.read()
        if after_s is not None:
            try:
                process.wait(after_s)
            except subprocess.TimeoutExpired:
                process.kill()
        said, complaint = process.communicate()
        if process.returncode == -9:
            self.kills += 1
            return None
        assert process.returncode == 0, complaint[-2000:]
        summary = json.loads(said)
        self.asked["checkpoint"] = summary["checkpoint_after"]
        return summary


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("unit", "table"), [("issues", "cdm_item"), ("comments", "cdm_comment")])
def test_killed_again_and_again(unit, table, postgres, database, tmp_path):
    chance = random.Random(unit)
    site = JiraSite(projects=("AND", "OPS"), issues=160, comments=4)
    with SandboxJira(site, latency_s=0.02) as server:
        chain = Chain(server, database, str(tmp_path), unit)
        mode = "full"
        while chain.kills < KILLS:
            summary = chain.run(mode, chance.uniform(0.02, 0.4))
            if summary is not None:
                mode = "incremental" if mode == "full" else "full"
                site.pass_time(900)
            for issue in chance.sample(site.issues(), 3):
                site.edit(issue, summary=f"edited before kill {chain.kills}")
                site.comment(issue, "and commented")
            site.delete(chance.choice(site.issues()))
            site.move(chance.choice(site.issues()), "OPS")
        site.pass_time(900)
        summary = chain.run("full")
        assert summary["rows_staged"] > 0
        chain.asked["checkpoint"] = None
        chain.run("full")
    name = database.rsplit("/", 1)[1]
    rows = postgres.psql(
        f"SELECT source_id, cdm_id FROM cdm_work.{table} WHERE deleted_at IS NULL ORDER BY source_id", name
    ).splitlines()
    theirs = (
        [f"{one.issue_id}|cdm:work:item:jira:{one.key}" for one in site.issues()]
        if unit == "issues"
        else [
            f"{child.child_id}|cdm:work:comment:jira:{child.child_id}"
            for one in site.issues()
            for child in one.comments
        ]
    )
    assert rows == sorted(theirs)
    if unit == "issues":
        told = postgres.psql(
            "SELECT source_id, summary FROM cdm_work.cdm_item WHERE deleted_at IS NULL ORDER BY 1", name
        )
        assert told.splitlines() == sorted(f"{one.issue_id}|{one.summary}" for one in site.issues())
    print(f"\n{unit}: {chain.kills} kills")
