"""What may be asked about runs: the latest of a unit, what failed, what is due, how far one has come, a plan."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import strawberry

from contracts.errors import EndpointUnknownError
from contracts.receipts import RunRef
from contracts.unit import IngestionMode
from flows.execution.artifacts import progress_of, staged_place
from flows.operations.plans import plan_now
from flows.prefect_api.run_lists import due_runs, failed_runs, latest_runs
from metadata_api.errors import MalformedError
from metadata_api.results import result_of
from metadata_api.run_reports import report_of
from metadata_api.schema.context import Context
from metadata_api.schema.run_types import (
    IngestionRun,
    IngestionRunDetail,
    ScheduledIngestion,
    UnitPlan,
    shown_detail,
    shown_due,
    shown_plan,
    shown_run,
)

Info = strawberry.Info[Context, None]
MOST_RUNS = 100
LONGEST_HOURS = 24 * 31
_MODES: dict[str, IngestionMode] = {"full": "full", "incremental": "incremental"}


@strawberry.type
class RunQueries:
    """The part of Query that is about runs."""

    @strawberry.field
    def ingestion_runs(
        self, info: Info, endpoint_id: strawberry.ID, unit_id: strawberry.ID | None = None, first: int = 10
    ) -> list[IngestionRun]:
        """The latest runs of a unit, or of all units of an endpoint, newest first; at most 100."""
        services = info.context.services
        found = latest_runs(services.workspace.plane, endpoint_id, unit_id, _within(first))
        return [shown_run(each, services.api_url) for each in found]

    @strawberry.field
    def ingestion_failures(self, info: Info, hours: int = 24, first: int = 20) -> list[IngestionRun]:
        """Runs of any unit that ended badly in the last hours, newest first; at most 100, of at most a month."""
        if not 0 < hours <= LONGEST_HOURS:
            raise MalformedError("Failures are listed for 1 to 744 hours", "Give hours in these limits.")
        services = info.context.services
        since = datetime.now(UTC) - timedelta(hours=hours)
        found = failed_runs(services.workspace.plane, since, _within(first))
        return [shown_run(each, services.api_url) for each in found]

    @strawberry.field
    def ingestion_schedule(self, info: Info, first: int = 10) -> list[ScheduledIngestion]:
        """Which runs schedules will start next, soonest first; at most 100."""
        found = due_runs(info.context.workspace.plane, datetime.now(UTC), _within(first))
        return [shown for shown in map(shown_due, found) if shown is not None]

    @strawberry.field
    def ingestion_run(self, info: Info, id: strawberry.ID) -> IngestionRunDetail | None:  # noqa: A002
        """One run and how far it has come; null for no such run."""
        services = info.context.services
        workspace = services.workspace
        run = services.runs.get(id) if _is_run_id(id) else None
        if run is None or run.ref is None:
            return None
        progress = progress_of(workspace.plane, run.ref, run.run_id)
        return shown_detail(
            run,
            services.api_url,
            result_of(workspace, run),
            report_of(workspace, run),
            progress=progress and progress.words,
            staged_in=staged_place(workspace.plane, run.ref, run.run_id),
        )

    @strawberry.field
    def ingestion_plan(
        self,
        info: Info,
        endpoint_id: strawberry.ID,
        unit_id: strawberry.ID,
        sink_id: str | None = None,
        run_mode: str | None = None,
    ) -> UnitPlan:
        """What a run would read now, asked of the source; nothing is started. For admins: the source is contacted."""
        workspace = info.context.admin()
        mode = None if not run_mode else _MODES.get(run_mode.lower())
        if run_mode and mode is None:
            raise MalformedError("There is no such run mode", "Give full or incremental.")
        chosen = sink_id or workspace.units.config(endpoint_id, unit_id).sink_id or workspace.default_sink or ""
        if chosen and chosen not in {each.endpoint_id for each in workspace.endpoints.list()}:
            raise EndpointUnknownError(f"No endpoint is registered as {chosen!r}", "`ingestionSinks` lists them.")
        ref = RunRef(endpoint_id=endpoint_id, unit_id=unit_id, sink_id=chosen)
        return shown_plan(plan_now(workspace, ref, mode))


def _is_run_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _within(first: int) -> int:
    if not 0 < first <= MOST_RUNS:
        raise MalformedError("A list has between 1 and 100 runs", "Give first in these limits.")
    return first
