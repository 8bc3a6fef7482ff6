"""Plans for units of a site: which projects, from when, split into which windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from connectors.http.client import Refusal
from connectors.http.progress import is_census_due
from connectors.http.scope import find_unit, require_mode
from connectors.jira import jql, windows
from connectors.jira.errors import typed_errors
from connectors.jira.membership import Membership
from connectors.jira.names import names_of, renamed_slices
from connectors.jira.progress import JiraCheckpoint
from connectors.jira.scope import Scope, scope_of
from connectors.jira.units import UNITS, VENDOR
from connectors.slicing import MAX_KEYS_BYTES, key_chunks
from contracts.errors import FilterNotSupportedError
from contracts.plan import IngestionPlan, IngestionSlice

if TYPE_CHECKING:
    from connectors.jira.client import JiraClient
    from contracts.endpoint import PlanRequest
    from contracts.unit import EndpointUnitDescriptor


_MAX_LATE_PROJECTS = 500


class _ProjectKey(msgspec.Struct):
    key: str


def make_plan(client: JiraClient, request: PlanRequest) -> IngestionPlan:
    """The plan. The account is checked first: to an anonymous caller every site looks empty.

    Raises:
        SourceAuthError: The login does not count.
        FilterNotSupportedError: The policy selects what the unit does not know.
        ModeUnsupportedError: Incremental, for a unit that is always listed in full.
        SourceSchemaChangedError: The connector knows no such unit.
    """
    by_issue = find_unit(request.unit, VENDOR, UNITS).cursor is not None
    scope = scope_of(request.unit, request.policy, selectable=by_issue)
    require_mode(request, "the API lists it in full")
    client.myself()
    if not by_issue:
        return _single_slice(request)
    with typed_errors():
        check_values(client, request.unit, scope)
        return _by_issue(client, request, scope)


def check_values(client: JiraClient, unit: EndpointUnitDescriptor, scope: Scope) -> None:
    """Let the site look at the selectors' values before a run begins: a status it does not have is refused.

    Raises:
        FilterNotSupportedError: In the site's own words.
    """
    if not scope.statuses and not scope.assignee_ids:
        return
    try:
        client.count(jql.all_of(["project is not EMPTY", *scope.conditions]))
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        raise FilterNotSupportedError(
            f"{unit.unit_id}: the site refuses the selectors: {refusal.message}",
            "Correct the selectors: `nucleus unit options` lists the values there are.",
            unit_id=unit.unit_id,
        ) from refusal


def selected_projects(client: JiraClient, scope: Scope) -> tuple[list[str], list[str]]:
    """(projects to read, selected ones that the account does not see), both in order."""
    visible = {msgspec.json.decode(raw, type=_ProjectKey).key for page in client.projects() for raw in page}
    allowed = visible & set(client.config.project_keys) if client.config.project_keys else visible
    wanted = set(scope.project_keys) or set(client.config.project_keys) or visible
    return sorted(wanted & allowed), sorted(wanted - allowed)


def late(plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
    """What was updated since the plan was made, in slices of some hundred projects; none for units that are listed.

    A slice names its projects twice: in the query, and in the list that is searched one by one when that is refused.
    """
    projects = sorted({str(piece.params["project"]) for piece in plan.slices if "jql" in piece.params})
    if plan.checkpoint_after is None or not projects:
        return ()
    scope = scope_of(plan.unit, plan.policy, selectable=True)
    read_at = JiraCheckpoint.model_validate(plan.checkpoint_after).since(projects[0])
    since_ms = jql.milliseconds(read_at) if read_at else 0
    conditions = [*scope.conditions, jql.at_least("updated", since_ms)]
    return tuple(
        IngestionSlice(
            key=f"late-{epoch}-{index}" if index else f"late-{epoch}",
            sequence=len(plan.slices) + index,
            params={
                "jql": jql.all_of([jql.one_of("project", chunk), *conditions]),
                "projects": [*chunk],
                "conditions": conditions,
                "explain": "what changed since the plan was made",
            },
        )
        for index, chunk in enumerate(key_chunks(projects, _MAX_LATE_PROJECTS, MAX_KEYS_BYTES // 2))
    )


def _single_slice(request: PlanRequest) -> IngestionPlan:
    return IngestionPlan(
        endpoint_id=request.endpoint_id,
        unit=request.unit,
        mode="full",
        strategy="single",
        reason="the API lists it in full",
        slices=(IngestionSlice(key="all", sequence=0, params={"explain": "all"}),),
        policy=request.policy,
        checkpoint_before=request.checkpoint,
    )


def _by_issue(client: JiraClient, request: PlanRequest, scope: Scope) -> IngestionPlan:
    now = client.now()
    before = JiraCheckpoint.read(request.checkpoint, scope.fingerprint(request.unit))
    projects, unseen = selected_projects(client, scope)
    unsplit = [
        windows.ProjectWindow(project=key, conditions=tuple(_conditions(client, request, scope, before.since(key))))
        for key in projects
    ]
    split = windows.split_windows(client, unsplit, client.config.slice_issues, client.config.concurrency)
    pieces = [_slice(index, window) for index, window in enumerate(split)]
    pieces += [_unseen(len(pieces) + index, key) for index, key in enumerate(unseen)]
    census = request.mode == "full" or is_census_due(before.census_at, now, request.policy.census_every_s)
    known, extra = _known(client, request, scope, before, start=len(pieces), census=census)
    pieces += extra
    return IngestionPlan(
        endpoint_id=request.endpoint_id,
        unit=request.unit,
        mode=request.mode,
        strategy="project-window",
        reason=f"{len(projects)} project(s), about {sum(window.issues for window in split)} issue(s)",
        slices=tuple(pieces),
        policy=request.policy,
        checkpoint_before=request.checkpoint,
        checkpoint_after=known.advanced(projects, now, census=census),
        census=census,
    )


def _known(
    client: JiraClient, request: PlanRequest, scope: Scope, before: JiraCheckpoint, *, start: int, census: bool
) -> tuple[JiraCheckpoint, list[IngestionSlice]]:
    """What the checkpoint knows of the site besides watermarks, as it is now, and slices of issues it changed for."""
    selected, incremental = scope.selected(client.config.project_keys), request.mode == "incremental"
    if request.unit.dataset.name == "issues":
        names = names_of(client)
        pieces = renamed_slices(client, before.names, names, selected, start) if incremental else []
        return before.model_copy(update={"names": names}), pieces
    if not census:
        return before, []
    members = Membership(client, selected)
    try:
        taken_at = before.census_at if incremental and before.members else None
        pieces = members.returned(before.members, taken_at, start) if taken_at else []
        return before.model_copy(update={"members": members.snapshot()}), pieces
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        return before, []  # an archived project may be refused: its slice names the gap


def _conditions(client: JiraClient, request: PlanRequest, scope: Scope, since: datetime | None) -> list[str]:
    made = scope.conditions
    if request.mode == "incremental" and since is not None:
        start = since - timedelta(seconds=client.config.overlap_s)
        made.append(jql.at_least("updated", jql.milliseconds(start)))
    return made


def _slice(index: int, window: windows.ProjectWindow) -> IngestionSlice:
    return IngestionSlice(
        key=f"{window.project}:{window.low_ms or 0}",
        sequence=index,
        params={
            "project": window.project,
            "jql": window.jql,
            "explain": _in_words(window),
        },
        estimated_rows=window.issues,
    )


def _in_words(window: windows.ProjectWindow) -> str:
    if window.low_ms is None and window.high_ms is None:
        return window.project
    return f"{window.project}, created {_moment(window.low_ms)} to {_moment(window.high_ms)}"


def _moment(moment_ms: int | None) -> str:
    return "…" if moment_ms is None else f"{datetime.fromtimestamp(moment_ms / 1000, UTC):%Y-%m-%dT%H:%MZ}"


def _unseen(index: int, project: str) -> IngestionSlice:
    return IngestionSlice(
        key=f"unseen:{project}",
        sequence=index,
        params={"project": project, "explain": f"{project} is not there, or may not be seen"},
    )
