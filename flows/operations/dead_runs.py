"""The watch over runs whose process is gone: an automation of the Prefect server, which has no such service of its own.

``nucleus up`` and ``prefect deploy --all`` set it, and the API makes it where it is missing. A trigger in
``prefect.yaml`` could not say it: its only action is to run the deployment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from flows.prefect_api.client import connect
from flows.prefect_api.runs import AWAITING_RETRY, AWAITING_TURN

if TYPE_CHECKING:
    from prefect.events.schemas.automations import AutomationCore

    from flows.prefect_api.client import ControlPlane

NAME = "nucleus: crash runs without a heartbeat"
ZOMBIE_AFTER_S = 90
"""At least three heartbeats, or a slow moment would crash healthy runs."""
_WITHOUT_PROCESS = (
    *("Completed", "Failed", "Cancelled", "Crashed", "Paused", "Suspended"),
    *("Scheduled", AWAITING_RETRY, AWAITING_TURN),
)
"""States in which no heartbeat is due."""


def watch_zombies(after_s: int = ZOMBIE_AFTER_S) -> None:
    """Let the server in use crash runs that were silent for so many seconds, whatever watch there was before.

    Raises:
        ControlPlaneError: The server did not answer.
    """
    from prefect.events.schemas.automations import AutomationCore  # noqa: PLC0415 - slow to load

    wanted = _automation(after_s)
    with connect() as plane:
        there = _found(plane)
        if [AutomationCore.model_validate(each).trigger for each in there] == [wanted.trigger]:
            return
        for old in there:
            plane.call("DELETE", f"/automations/{old['id']}")
        _make(plane, wanted)


def keep_watch(plane: ControlPlane) -> bool:
    """Make the watch if the server has none; False when there is one, which a person may have changed.

    Raises:
        ControlPlaneError: The server did not answer.
    """
    if _found(plane):
        return False
    _make(plane, _automation(ZOMBIE_AFTER_S))
    return True


def _automation(after_s: int) -> AutomationCore:
    from prefect.client.schemas.objects import StateType  # noqa: PLC0415 - slow to load
    from prefect.events.actions import ChangeFlowRunState  # noqa: PLC0415
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture  # noqa: PLC0415

    return AutomationCore(
        name=NAME,
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={f"prefect.flow-run.{each}" for each in ("heartbeat", *_WITHOUT_PROCESS)},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=after_s),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="No heartbeat: the run's process is gone.")],
    )


def _found(plane: ControlPlane) -> list[dict[str, object]]:
    return list(plane.call("POST", "/automations/filter", {"automations": {"name": {"any_": [NAME]}}}) or ())


def _make(plane: ControlPlane, automation: AutomationCore) -> None:
    plane.call("POST", "/automations/", automation.model_dump(mode="json", exclude={"owner_resource"}))
