"""Runs of units as Prefect has them: start one, find the living ones, ask one to end.

A run is created by one call that carries everything about it: parameters, who is to be told (labels and a tag), and
the idempotency key. There is no second place to write, so there is no moment at which a kill leaves half of it.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from contracts.errors import ControlPlaneError
from contracts.receipts import RunRef
from flows.prefect_api.client import AlreadyThereError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flows.prefect_api.client import ControlPlane

FLOW = "ingest-unit"
DEPLOYMENT = "ingest-unit/ingest-unit"
ACCEPTED = "nucleus-accepted"
"""Tag of a run that somebody was promised: it is started again when its worker dies."""
LATE = "Late"
"""Prefect's name of the state of a run that no worker has taken although it is due."""
AWAITING_RETRY, AWAITING_TURN, FOLDED = "AwaitingRetry", "AwaitingTurn", "Folded"
"""Names of states: scheduled after a crash; scheduled while another run of the unit works; completed by another run."""
FOLDED_INTO, WAITS, REVIVALS = "nucleus.folded-into", "nucleus.waits", "nucleus.revivals"
"""Labels: id of the run that completed it; how often it was put back because another run of its unit was at work; how
often its process said that it works although it was taken for dead."""
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
ALIVE = ("PENDING", "RUNNING", "CANCELLING")
WAITING = ("SCHEDULED", "PAUSED")
_PAGE = 200
_KNOWN_FOR_S = 60.0
"""How long a deployment is believed to be what it was: another version may be applied at any time."""


class Run(NamedTuple):
    """One flow run."""

    run_id: str
    state: str
    name: str
    """Of the state; ``Late``, ``AwaitingRetry``, ``Paused`` are finer than its type."""
    state_id: str
    message: str
    state_at: datetime
    starts: int
    parameters: dict[str, Any]
    labels: dict[str, Any]
    tags: tuple[str, ...]
    began_at: datetime | None
    ended_at: datetime | None
    due_at: datetime | None = None
    """When it was to begin."""

    @property
    def is_alive(self) -> bool:
        """True while a process works on it, or should."""
        return self.state in ALIVE

    @property
    def is_waiting(self) -> bool:
        """True while it waits for a worker."""
        return self.state in WAITING

    @property
    def at_work_since(self) -> datetime | None:
        """When it entered its state, if that is being at work or suspended; else when its first process began."""
        return self.state_at if self.state in {"RUNNING", "PAUSED"} else self.began_at

    @property
    def is_suspended(self) -> bool:
        """True while it is paused by Prefect's own means, such as the UI's Suspend: it has no process."""
        return self.state == "PAUSED"

    @property
    def waits(self) -> int:
        """How often it was put back because another run of its unit was at work."""
        return int(self.labels.get(WAITS, 0))

    @property
    def processes(self) -> int:
        """How many processes worked on it: Prefect counts every time that it became RUNNING."""
        return self.starts - self.waits - int(self.labels.get(REVIVALS, 0))

    @property
    def ref(self) -> RunRef | None:
        """What it runs; None when its parameters do not say."""
        names = {name: self.parameters.get(name) for name in RunRef.model_fields}
        return RunRef.model_validate(names) if all(isinstance(each, str) for each in names.values()) else None


class _Deployment(NamedTuple):
    id: str
    takes: frozenset[str]
    """Names of the flow's parameters."""
    read_at: float


class Runs:
    """Flow runs on the server in use; safe between threads. Every method raises ControlPlaneError.

    Prefect's client tries 503 again by itself, so that callers do not see a busy SQLite server.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._deployments: dict[str, _Deployment] = {}

    def start(
        self,
        deployment: str,
        parameters: Mapping[str, Any],
        *,
        key: str,
        labels: Mapping[str, Any] | None = None,
        tags: tuple[str, ...] = (),
        name: str | None = None,
        under: str | None = None,
    ) -> Run:
        """Create the run, or find the one that the key made before.

        Args:
            deployment: ``flow/deployment``.
            parameters: Of the flow.
            key: The same key never makes two runs; the second caller's parameters and labels are dropped.
            labels: Kept with the run.
            tags: Kept with the run.
            name: Of the run until it begins; Prefect makes one up when it is left out.
            under: Flow run that waits for it, under which Prefect shows it.

        Raises:
            ControlPlaneError: There is no such deployment, or it is another version's and does not take these
                parameters.
        """
        body = {
            "parameters": dict(parameters),
            "idempotency_key": key,
            "labels": {**(labels or {})},
            "tags": [*tags],
            # Checked here, by name; a server that checks spends a fifth of the call on whether the schema is a schema.
            "enforce_parameter_schema": False,
            **({} if name is None else {"name": name}),
        }
        if under is not None:
            body["parent_task_run_id"] = self._task_that_waits(under, key, name or deployment)
        return read_run(self._create(deployment, body))

    def _task_that_waits(self, flow_run_id: str, key: str, name: str) -> str:
        """Id of the task run by which Prefect knows that one flow run is part of another; it gets the run's states."""
        body = {"flow_run_id": flow_run_id, "task_key": "deployed-run", "dynamic_key": key, "name": name}
        return str(self._plane.call("POST", "/task_runs/", body)["id"])

    def get(self, run_id: str) -> Run | None:
        """The run, or None."""
        found = self._plane.call("GET", f"/flow_runs/{run_id}")
        return None if found is None else read_run(found)

    def find(
        self,
        states: tuple[str, ...],
        *,
        tag: str | None = None,
        names: tuple[str, ...] = (),
        ended_after: datetime | None = None,
    ) -> Iterator[Run]:
        """Runs of units in one of these states, the one that was to begin last first."""
        wanted: dict[str, Any] = {"state": {"type": {"any_": [*states]}}}
        if names:
            wanted["state"]["name"] = {"any_": [*names]}
        if tag is not None:
            wanted["tags"] = {"all_": [tag]}
        if ended_after is not None:
            wanted["end_time"] = {"after_": ended_after.isoformat()}
        body = {"flow_runs": wanted, "flows": {"name": {"any_": [FLOW]}}, "sort": "EXPECTED_START_TIME_DESC"}
        offset = 0
        while page := self._plane.call("POST", "/flow_runs/filter", {**body, "limit": _PAGE, "offset": offset}):
            yield from (read_run(each) for each in page)
            if len(page) < _PAGE:
                return
            offset += _PAGE

    def requested_at(self, run: Run) -> datetime | None:
        """When the run was last asked for (created, due by its schedule, retried by a person), by the server's clock.

        Being put back to wait for its turn asks for nothing new.
        """
        asked = [
            each
            for each in self._states(run)
            if each["type"] == "SCHEDULED" and each["name"] not in {AWAITING_TURN, "Late"}
        ]
        return max((max(filter(None, map(_moment, _moments_of(each)))) for each in asked), default=None)

    def schedule_again(self, run: Run) -> bool:
        """Let a worker take the run; False when it went on meanwhile and the server said no."""
        return self._set_state(run, {"type": "SCHEDULED", "name": AWAITING_RETRY, "message": "Its worker was gone."})

    def revive(self, run: Run) -> bool:
        """Say that the run works, whatever it was taken for; whoever calls is its process.

        The server lets nothing leave an end unless it is forced to, and then asks nothing: a cancellation that came
        since ``run`` was read is therefore asked for once more.
        """
        self.label(run, {REVIVALS: int(run.labels.get(REVIVALS, 0)) + 1})
        state = {"type": "RUNNING", "message": "It was taken for dead while the server heard nothing of it."}
        if not self._set_state(run, state, force=True):
            return False
        if self._cancelled_since(run):
            self.cancel(run._replace(state="RUNNING"))
        return True

    def put_back(self, run: Run, message: str, at: datetime) -> bool:
        """Let the run wait for its turn, at most until ``at``; False when it went on and the server said no."""
        state = {"type": "SCHEDULED", "name": AWAITING_TURN, "message": message}
        return self._set_state(run, {**state, "state_details": {"scheduled_time": at.isoformat()}})

    def resume(self, run: Run) -> bool:
        """Let a worker continue a suspended run; False when it is none any more, or was for too long."""
        answer = self._plane.call("POST", f"/flow_runs/{run.run_id}/resume", {})
        return bool(answer and answer.get("status") == "ACCEPT")

    def fold(self, run: Run, into: str) -> bool:
        """End a run that waits, because run ``into`` has done what it was to do; False when it went on meanwhile."""
        self.label(run, {FOLDED_INTO: into})
        message = f"Folded into run {into}, which began after this one was requested and did the same."
        return self._set_state(run, {"type": "COMPLETED", "name": FOLDED, "message": message})

    def cancel(self, run: Run) -> None:
        """Ask the run to end."""
        body = {"state": {"type": "CANCELLED" if run.state in WAITING else "CANCELLING"}}
        self._plane.call("POST", f"/flow_runs/{run.run_id}/set_state", body)

    def label(self, run: Run, labels: Mapping[str, Any]) -> None:
        """Add labels to the run."""
        self._plane.call("PATCH", f"/flow_runs/{run.run_id}/labels", dict(labels))

    def forget_process(self, run: Run) -> None:
        """Let the server end the run at once when somebody cancels it: its process is about to end."""
        self._plane.call("PATCH", f"/flow_runs/{run.run_id}", {"infrastructure_pid": None})

    def retag(self, run: Run, old: str, new: str) -> None:
        """Put one tag in place of another."""
        tags = [*dict.fromkeys(new if tag == old else tag for tag in run.tags)]
        self._plane.call("PATCH", f"/flow_runs/{run.run_id}", {"tags": tags})

    def _states(self, run: Run) -> Sequence[Mapping[str, Any]]:
        """Every state that the run was in."""
        return self._plane.call("GET", "/flow_run_states/", params={"flow_run_id": run.run_id}) or ()

    def _cancelled_since(self, run: Run) -> bool:
        cancelled = [each for each in self._states(run) if each["type"] in {"CANCELLING", "CANCELLED"}]
        return any((_moment(each["timestamp"]) or run.state_at) > run.state_at for each in cancelled)

    def _set_state(self, run: Run, state: dict[str, Any], *, force: bool = False) -> bool:
        answer = self._plane.call("POST", f"/flow_runs/{run.run_id}/set_state", {"state": state, "force": force})
        return bool(answer and answer.get("status") == "ACCEPT")

    def _create(self, deployment: str, body: Mapping[str, Any]) -> dict[str, Any]:
        for _ in range(2):  # a second time when it was deployed anew since: it has another id
            known = self._known(deployment)
            if not known.takes.issuperset(body["parameters"]):
                raise ControlPlaneError(
                    f"The deployment {deployment!r} does not take these parameters",
                    "Apply the deployments of this version (`nucleus up`, or `prefect deploy --all`).",
                    refused=sorted(body["parameters"].keys() - known.takes),
                )
            try:
                made = self._plane.call("POST", f"/deployments/{known.id}/create_flow_run", body)
            except AlreadyThereError:
                raise ControlPlaneError(
                    f"The Prefect server refuses runs of {deployment!r}",
                    "Compare its job variables with those of its work pool.",
                ) from None
            if made is not None:
                return dict(made)
            self._deployments.pop(deployment, None)
        raise _missing(deployment)

    def _known(self, deployment: str) -> _Deployment:
        known = self._deployments.get(deployment)
        if known is None or time.monotonic() - known.read_at > _KNOWN_FOR_S:
            found = self._plane.call("GET", f"/deployments/name/{deployment}")
            if found is None:
                raise _missing(deployment)
            takes = (found.get("parameter_openapi_schema") or {}).get("properties") or {}
            known = self._deployments[deployment] = _Deployment(found["id"], frozenset(takes), time.monotonic())
        return known


def key_of(*parts: str) -> str:
    """An idempotency key from parts of any length and alphabet."""
    return "nucleus." + hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def same_parameters(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """True when a run of ``ingest-unit`` does the same with both, whether or not defaults are spelled out."""
    first, second = ({name: value for name, value in each.items() if value} for each in (one, other))
    return first == second


def link_to(api_url: str, run_id: str) -> str:
    """Where a person looks at the run."""
    from prefect.settings import PREFECT_UI_URL  # noqa: PLC0415 - loads Prefect

    ui_url = PREFECT_UI_URL.value() or api_url.rstrip("/").removesuffix("/api")
    return f"{str(ui_url).rstrip('/')}/runs/flow-run/{run_id}"


def _missing(deployment: str) -> ControlPlaneError:
    return ControlPlaneError(
        f"There is no deployment {deployment!r} on the Prefect server",
        "Run `nucleus up`, or `prefect deploy --all`.",
        deployment=deployment,
    )


def read_run(found: Mapping[str, Any]) -> Run:
    """The run in an answer of the server."""
    state = found.get("state") or {}
    began, ended = found.get("start_time"), found.get("end_time")
    return Run(
        run_id=str(found["id"]),
        state=str(found.get("state_type") or state.get("type") or "SCHEDULED"),
        name=str(found.get("state_name") or state.get("name") or ""),
        state_id=str(found.get("state_id") or state.get("id") or ""),
        message=str(state.get("message") or ""),
        state_at=_moment(state.get("timestamp")) or datetime.now(UTC),
        starts=int(found.get("run_count") or 0),
        parameters=dict(found.get("parameters") or {}),
        labels=dict(found.get("labels") or {}),
        tags=tuple(found.get("tags") or ()),
        began_at=_moment(began),
        ended_at=_moment(ended),
        due_at=_moment(found.get("expected_start_time")),
    )


def _moments_of(state: Mapping[str, Any]) -> tuple[str | None, str | None]:
    return state["timestamp"], (state.get("state_details") or {}).get("scheduled_time")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
