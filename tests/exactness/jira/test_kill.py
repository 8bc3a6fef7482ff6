"""Proof of issue 3, "Done when" 2: killed at random points again and again, a run ends equal to the site's truth."""

from __future__ import annotations

import random
from typing import Any

import pytest

from sandbox.jira import JiraSite, SandboxJira
from tests.connectors.jira.moving import settings_of
from tests.exactness.executors import PROVE, ExecutorName, server_environment
from tests.exactness.jira import worker
from tests.exactness.processes import run_or_kill

KILLS: dict[ExecutorName, int] = {"threads": 16 if PROVE else 4, "prefect": 16 if PROVE else 3}
"""For each of two units; 16 of them under `make prove`. On Prefect a run costs seconds."""
LONGEST_S: dict[ExecutorName, float] = {"threads": 0.4, "prefect": 1.5}


class SiteChain:
    """Processes one after the other, each killed or not, over one site, one sink and one staging area."""

    def __init__(self, server: SandboxJira, sink_url: str, staging: str, unit: str, executor: ExecutorName) -> None:
        self.order = {
            "jira": settings_of(server),
            "sink": sink_url,
            "staging": staging,
            "unit": unit,
            "checkpoint": None,
        }
        self.order |= {"executor": executor, "environment": server_environment()}
        self.kills = 0

    def run(self, mode: str, after_s: float | None = None) -> dict[str, Any] | None:
        """The summary of a run that ended; None of one that was killed."""
        summary = run_or_kill(worker.run_once, {**self.order, "mode": mode}, after_s)
        if summary is None:
            self.kills += 1
        else:
            self.order["checkpoint"] = summary["checkpoint_after"]
        return summary


@pytest.mark.slow(9)
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("unit", "table"), [("issues", "cdm_item"), ("comments", "cdm_comment")])
def test_killed_again_and_again(unit, table, executor, postgres, database, tmp_path):
    chance = random.Random(unit)
    site = JiraSite(projects=("AND", "OPS"), issues=160, comments=4)
    with SandboxJira(site, latency_s=0.02) as server:
        chain = SiteChain(server, database, str(tmp_path), unit, executor)
        mode = "full"
        while chain.kills < KILLS[executor]:
            summary = chain.run(mode, chance.uniform(0.02, LONGEST_S[executor]))
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
        chain.order["checkpoint"] = None
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
