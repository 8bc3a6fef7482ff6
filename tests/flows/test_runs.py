"""A run is created by one call, and only with parameters that the deployment in force takes."""

from typing import Any, cast

import pytest

from contracts.errors import ControlPlaneError
from flows.prefect_api.client import AlreadyThereError, ControlPlane
from flows.prefect_api.runs import DEPLOYMENT, Runs

PARAMETERS = {"endpoint_id": "source", "unit_id": "public.t", "sink_id": "sink"}


class Server:
    """A Prefect server with one deployment."""

    def __init__(self) -> None:
        self.deployed, self.takes = "first", (*PARAMETERS, "mode")
        self.lookups, self.bodies = 0, [{}]
        self.conflict = False

    def call(self, method: str, path: str, body: Any = None) -> Any:
        if method == "GET":
            self.lookups += 1
            return {"id": self.deployed, "parameter_openapi_schema": {"properties": {name: {} for name in self.takes}}}
        if self.conflict:
            raise AlreadyThereError(path)
        if path != f"/deployments/{self.deployed}/create_flow_run":
            return None
        self.bodies.append(body)
        return {"id": "run", "state_type": "SCHEDULED", "parameters": body["parameters"]}


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def runs(server: Server) -> Runs:
    return Runs(cast("ControlPlane", server))


def test_a_deployment_is_looked_up_once_for_many_runs(server: Server, runs: Runs) -> None:
    for number in range(3):
        assert runs.start(DEPLOYMENT, PARAMETERS, key=str(number)).run_id == "run"
    assert server.lookups == 1
    assert [body.get("idempotency_key") for body in server.bodies[1:]] == ["0", "1", "2"]


def test_a_parameter_that_the_deployment_does_not_take_is_named_and_nothing_starts(server: Server, runs: Runs) -> None:
    with pytest.raises(ControlPlaneError, match="does not take these") as refused:
        runs.start(DEPLOYMENT, {**PARAMETERS, "colour": "red"}, key="1")
    assert refused.value.facts["refused"] == ["colour"]
    assert server.bodies == [{}]


def test_a_deployment_made_anew_is_found(server: Server, runs: Runs) -> None:
    runs.start(DEPLOYMENT, PARAMETERS, key="1")
    server.deployed = "second"
    assert runs.start(DEPLOYMENT, PARAMETERS, key="2").run_id == "run"
    assert len(server.bodies) == 3


def test_an_older_version_applied_meanwhile_is_noticed(
    server: Server, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.prefect_api.runs._KNOWN_FOR_S", 0.0)
    runs.start(DEPLOYMENT, {**PARAMETERS, "mode": "full"}, key="1")
    server.takes = tuple(PARAMETERS)
    with pytest.raises(ControlPlaneError, match="does not take these"):
        runs.start(DEPLOYMENT, {**PARAMETERS, "mode": "full"}, key="2")


def test_a_server_that_refuses_says_where_to_look(server: Server, runs: Runs) -> None:
    server.conflict = True
    with pytest.raises(ControlPlaneError, match="job variables"):
        runs.start(DEPLOYMENT, PARAMETERS, key="1")


def test_a_cancellation_that_came_before_a_revival_is_kept(plane: ControlPlane) -> None:
    flow = plane.call("POST", "/flows/", {"name": "ingest-unit"})
    crashed = {"type": "CRASHED", "message": "No heartbeat."}
    made = plane.call("POST", "/flow_runs/", {"flow_id": flow["id"], "parameters": PARAMETERS, "state": crashed})
    runs = Runs(plane)
    for cancelled, expected in ((False, "RUNNING"), (True, "CANCELLING")):
        plane.call("POST", f"/flow_runs/{made['id']}/set_state", {"state": crashed, "force": True})
        seen = runs.get(made["id"])
        assert seen is not None
        if cancelled:
            state = {"type": "CANCELLED"}
            assert plane.call("POST", f"/flow_runs/{made['id']}/set_state", {"state": state, "force": True})
        assert runs.revive(seen)
        now = runs.get(made["id"])
        assert now is not None
        assert now.state == expected
