"""What prefect.yaml says is what the code deploys, and every entrypoint exists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from prefect import Flow
from prefect.flows import load_flow_from_entrypoint
from prefect.workers.process import ProcessWorker

from flows import deployments
from flows.deployments import DEPLOYMENTS, POOL, most_runs
from flows.operations.dead_runs import NAME, keep_watch, watch_zombies
from tests.control_plane import locked

if TYPE_CHECKING:
    import pytest

    from flows.local.control_plane import LocalControlPlane
    from flows.prefect_api.client import ControlPlane

ROOT = Path(__file__).parents[2]


def declared() -> list[dict]:
    return list(yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"])


def test_the_file_says_what_the_code_says() -> None:
    said = {
        (
            each["name"],
            each["entrypoint"],
            each.get("schedules", [{}])[0].get("cron"),
            str(each.get("parameters")),
            each["description"],
            *each["tags"],
        )
        for each in declared()
    }
    assert said == {
        (each.name, each.entrypoint, each.cron, str(each.parameters), each.description, "nucleus", each.tag)
        for each in DEPLOYMENTS
    }
    assert all(each["work_pool"]["name"] == POOL for each in declared())


def test_every_entrypoint_is_a_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for each in DEPLOYMENTS:
        by_file = load_flow_from_entrypoint(each.entrypoint)
        by_module = load_flow_from_entrypoint(each.module_path)
        assert isinstance(by_file, Flow)
        assert by_file.name == by_module.name == each.name


def test_nucleus_up_deploys_them_all(control_plane: LocalControlPlane, plane: ControlPlane) -> None:
    found = plane.call("POST", "/deployments/filter", {})
    assert {each["name"] for each in found} == {each.name for each in DEPLOYMENTS}
    assert all(each["work_pool_name"] == POOL for each in found)
    shown = {each["name"]: (each["description"], sorted(each["tags"])) for each in found}
    assert shown == {each.name: (each.description, sorted(["nucleus", each.tag])) for each in DEPLOYMENTS}
    unit = next(each for each in found if each["name"] == "ingest-unit")
    properties = unit["parameter_openapi_schema"]["properties"]
    assert properties["mode"]["anyOf"][0]["enum"] == ["full", "incremental"]
    assert properties["endpoint_id"]["description"]
    assert plane.call("GET", f"/work_pools/{POOL}")["concurrency_limit"] == most_runs() >= 4
    with locked(control_plane.home):  # another test takes it away for a moment
        automations = plane.call("POST", "/automations/filter", {})
    # Tests beside this one may have made automations of their own on the same server.
    automations = [each for each in automations if each["name"].startswith("nucleus:")]
    assert [each["name"] for each in automations] == ["nucleus: crash runs without a heartbeat"]
    quiet = {"prefect.flow-run.Suspended", "prefect.flow-run.AwaitingTurn"}
    assert quiet < {*automations[0]["trigger"]["expect"]}, "these have no process, and are not crashed for it"


def test_prefect_deploy_and_the_api_set_a_watch_over_dead_runs(
    control_plane: LocalControlPlane, plane: ControlPlane
) -> None:
    def watches() -> list[dict]:
        return [each for each in plane.call("POST", "/automations/filter", {}) if each["name"] == NAME]

    def without() -> None:
        for each in watches():
            plane.call("DELETE", f"/automations/{each['id']}")

    with locked(control_plane.home):
        without()
        keep_watch(plane)
        assert not keep_watch(plane), "one is enough"
        (made_by_api,) = watches()
        watch_zombies()
        assert watches() == [made_by_api], "it is the one that `nucleus up` makes"
        without()
        command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--name", "clean-staging"]
        deployed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        (made_by_step,) = watches()
        watch_zombies()
        assert watches() == [made_by_step]


def test_endpoints_come_before_state_where_blocks_are_listed(plane: ControlPlane) -> None:
    kinds = [each["name"] for each in plane.call("POST", "/block_types/filter", {"limit": 200})]
    ours = sorted(each for each in kinds if each.startswith("Nucleus"))
    groups = [each.partition(":")[0] for each in ours]
    assert list(dict.fromkeys(groups)) == ["Nucleus endpoint", "Nucleus staging", "Nucleus state"]


def test_a_worker_that_makes_the_pool_first_does_not_make_it_unlimited(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "made-by-a-worker"
    monkeypatch.setattr(deployments, "POOL", name)
    template = ProcessWorker.get_default_base_job_template()
    plane.call("POST", "/work_pools/", {"name": name, "type": "process", "base_job_template": template})
    try:
        deployments.make_pool()
        made = plane.call("GET", f"/work_pools/{name}")
        assert made["concurrency_limit"] == most_runs()
        assert made["base_job_template"] != template
        plane.call("PATCH", f"/work_pools/{name}", {"concurrency_limit": 9})
        job = made["base_job_template"]["job_configuration"]
        assert job["command"].endswith(" -m prefect.engine"), "or each run begins with a process that finds its flow"
        older = {name: value for name, value in job.items() if name != "command"}
        template = {**made["base_job_template"], "job_configuration": older}
        plane.call("PATCH", f"/work_pools/{name}", {"base_job_template": template})
        deployments.make_pool()
        again = plane.call("GET", f"/work_pools/{name}")
        assert again["concurrency_limit"] == 9, "what a person changed stays"
        assert again["base_job_template"] == made["base_job_template"], "an older version's pool gets the command"
    finally:
        plane.call("DELETE", f"/work_pools/{name}")
