"""What is scheduled runs: on what `nucleus up` starts, without anybody asking twice."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from flows.deployments import DEPLOYMENTS, Deployed
from flows.local.services import failing_services
from flows.operations.collection import schedule_collection
from flows.operations.run_control import configure
from flows.prefect_api.collection_runs import COLLECT_DEPLOYMENT
from flows.prefect_api.runs import DEPLOYMENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.local.control_plane import LocalControlPlane
    from flows.prefect_api.client import ControlPlane
    from flows.wiring import Workspace
    from tests.flows.conftest import RegisteredPair

INTERVAL_S = 10
LATER = "public.later"
PATIENCE_S = 90.0
"""Of a machine that does other things too; what is asserted are the moments Prefect planned, not those it managed."""


def eventually(look: Callable[[], Any]) -> Any:
    """What ``look`` finds as soon as it finds something."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.3)
    return found


def scheduled_runs(plane: ControlPlane, deployment: str, **parameters: object) -> list[dict[str, Any]]:
    """Runs that the server's scheduler made of the deployment with these parameters, the first planned first."""
    found = plane.call(
        "POST",
        "/flow_runs/filter",
        {"deployments": {"name": {"any_": [deployment.partition("/")[2]]}}, "sort": "EXPECTED_START_TIME_ASC"},
    )
    wanted = parameters.items()
    return [each for each in found if each["auto_scheduled"] and wanted <= each["parameters"].items()]


def test_a_scheduled_unit_runs_within_its_interval(
    pair: RegisteredPair, workspace: Workspace, plane: ControlPlane
) -> None:
    before = workspace.units.config(pair.source_id, "public.orders")
    wanted = before.model_copy(update={"sink_id": pair.sink_id, "schedule": f"every {INTERVAL_S}"})
    configured_at = datetime.now(UTC)
    configured = configure(workspace, before, wanted)
    try:
        first = eventually(lambda: scheduled_runs(plane, DEPLOYMENT, endpoint_id=pair.source_id))[0]
        eventually(lambda: pair.sink_sql("SELECT to_regclass('public.orders')") and pair.same())
    finally:
        configure(workspace, configured, configured.model_copy(update={"schedule": None}))
    planned = datetime.fromisoformat(first["expected_start_time"])
    assert planned - configured_at <= timedelta(seconds=INTERVAL_S + 1)
    assert first["created_by"]["type"] == "SCHEDULE"


def test_the_catalog_of_an_endpoint_is_collected_by_itself(
    pair: RegisteredPair, workspace: Workspace, plane: ControlPlane
) -> None:
    pair.source_sql("CREATE TABLE public.later (id int PRIMARY KEY)")
    schedule_collection(workspace, pair.source_id, f"every {INTERVAL_S}")
    try:
        eventually(lambda: {each.dataset_id for each in workspace.catalogs.load(pair.source_id).datasets} >= {LATER})
    finally:
        schedule_collection(workspace, pair.source_id, None)
    first = scheduled_runs(plane, COLLECT_DEPLOYMENT, endpoint_id=pair.source_id)[0]
    assert first["created_by"]["type"] == "SCHEDULE"
    deployment = plane.call("GET", f"/deployments/name/{COLLECT_DEPLOYMENT}")
    left = [each for each in deployment["schedules"] if each["parameters"] == {"endpoint_id": pair.source_id}]
    assert left == []


@pytest.mark.parametrize("deployed", [each for each in DEPLOYMENTS if each.cron], ids=lambda each: each.name)
def test_upkeep_is_planned(plane: ControlPlane, deployed: Deployed) -> None:
    name = f"{deployed.entrypoint.partition(':')[2].replace('_', '-')}/{deployed.name}"
    planned = eventually(lambda: scheduled_runs(plane, name))
    minute = int((deployed.cron or "").split()[0])
    assert {datetime.fromisoformat(each["expected_start_time"]).minute for each in planned} == {minute}


@pytest.mark.parametrize("word", ["service failed", "Can't evaluate bulk DML", "schedule_deployments("])
def test_the_server_logs_no_service_that_fails(control_plane: LocalControlPlane, word: str) -> None:
    assert failing_services(control_plane.api_url) == []
    lines = (control_plane.home / "logs" / "server.log").read_text().splitlines()
    assert [line for line in lines if word in line and ("ERROR" in line or "Error" in line)] == []
