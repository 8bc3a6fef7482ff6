"""Overview: endpoints with how they are, units by state, what failed in the last day, what is due next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metadata_api.console.client import POLL_S

if TYPE_CHECKING:
    from starlette.responses import Response

    from metadata_api.console.visits import Visit


def overview(visit: Visit) -> Response:
    """The whole page."""
    return visit.page("overview.html", **_board(visit))


def board(visit: Visit) -> Response:
    """Its living part."""
    return visit.page("overview_board.html", **_board(visit))


def _board(visit: Visit) -> dict[str, Any]:
    data = visit.client.ask("Overview", keep_s=POLL_S)
    endpoints = data["ingestionOverview"]["endpoints"]
    roles = {role for each in endpoints for role in each["roles"]}
    steps = [
        ("Add a source: where rows come from", "source" in roles, "/console/add?role=source"),
        ("Add a sink: where rows go", "sink" in roles, "/console/add?role=sink"),
        ("Collect the source's catalog", any(each["unitCount"] for each in endpoints), ""),
        ("Choose a unit, give it a sink and start it", _has_run(data), ""),
    ]
    return {
        "states": data["ingestionOverview"]["states"],
        "endpoints": endpoints,
        "failures": data["ingestionFailures"],
        "schedule": data["ingestionSchedule"],
        "steps": [] if all(done for _, done, _ in steps) else steps,
    }


def _has_run(data: dict[str, Any]) -> bool:
    return any(count for name, count in data["ingestionOverview"]["states"].items() if name != "idle")
