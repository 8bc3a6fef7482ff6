"""The receiver: where Marquez and DataHub listen too, ``/api/v1/lineage``."""

from __future__ import annotations

import json
from typing import Any

from sandbox.http_service import HttpFaults, HttpReply, HttpService, IncomingRequest
from sandbox.lineage.schemas import problem_of

PATH = "/api/v1/lineage"


class SandboxLineage(HttpService[HttpFaults]):
    """Keeps the events in the order they came. An event that is not as the standard asks is refused with 422.

    Attributes:
        events: What was taken.
        refusals: Why others were not.
    """

    def __init__(self, faults: HttpFaults | None = None, latency_s: float = 0.0) -> None:
        super().__init__(faults or HttpFaults(), latency_s)
        self.events: list[dict[str, Any]] = []
        self.refusals: list[str] = []

    def of(self, job_name: str) -> list[dict[str, Any]]:
        """The events of one job."""
        return [event for event in self.events if event["job"]["name"] == job_name]

    def reply(self, request: IncomingRequest) -> HttpReply:
        """201 for a valid event."""
        if (request.method, request.path) != ("POST", PATH):
            return self.failed(404, "there is only POST /api/v1/lineage")
        event = json.loads(request.content)
        problem = problem_of(event)
        with self.lock:
            if problem is not None:
                self.refusals.append(problem)
            else:
                self.events.append(event)
        return HttpReply(b"", 201) if problem is None else self.failed(422, problem)

    def failed(self, status: int, message: str) -> HttpReply:
        """A refusal."""
        return HttpReply(json.dumps({"message": message}).encode(), status)
