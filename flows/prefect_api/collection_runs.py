"""Runs that collect a catalog as Prefect has them: they are found by the name that all runs of an endpoint share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.prefect_api.runs import read_run

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane
    from flows.prefect_api.runs import Run

COLLECT_FLOW = "collect-catalog"
COLLECT_DEPLOYMENT = f"{COLLECT_FLOW}/collect-catalog"


def collections_of(plane: ControlPlane, endpoint_id: str, limit: int) -> list[Run]:
    """The latest collections of the endpoint's catalog, newest first; raises ControlPlaneError."""
    body = {
        "flow_runs": {"name": {"any_": [collection_name(endpoint_id)]}},
        "flows": {"name": {"any_": [COLLECT_FLOW]}},
        "sort": "EXPECTED_START_TIME_DESC",
        "limit": limit,
    }
    return [read_run(each) for each in plane.call("POST", "/flow_runs/filter", body) or ()]


def collection_name(endpoint_id: str) -> str:
    """What every run that collects the endpoint's catalog is called."""
    return f"catalog of {endpoint_id}"
