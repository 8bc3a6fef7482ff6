"""Plans for units of a site: which spaces, from when, and split into which slices."""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from connectors.confluence.progress import ConfluenceCheckpoint
from connectors.confluence.scope import scope_of
from connectors.confluence.selection import SiteSelection
from connectors.confluence.units import BY_CONTENT, BY_LIST, UNITS, VENDOR
from connectors.http.progress import is_census_due
from connectors.http.scope import require_mode, resolve_unit
from connectors.slicing import key_chunks
from contracts.plan import IngestionPlan, IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from connectors.confluence.client import ConfluenceClient
    from connectors.confluence.contents import ContentHead, SpaceName
    from contracts.endpoint import PlanRequest
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

NO_V1 = "restrictions of pages need REST v1, which the site does not offer any more"
_PER_REQUEST = {"version": 100, "acl": 100}
"""Contents of one slice where each needs a request of its own."""


def make_plan(client: ConfluenceClient, request: PlanRequest) -> IngestionPlan:
    """The plan. The account is checked before and after: to a stranger an open site looks empty, or nearly.

    Raises:
        SourceAuthError: The login does not count.
        FilterNotSupportedError: The policy selects what the unit does not know.
        ModeUnsupportedError: Incremental, for a unit that is always listed in full.
        SourceSchemaChangedError: The connector has no such unit, or it has other columns now.
    """
    resolve_unit(request.unit, VENDOR, UNITS)
    scope_of(request.unit, request.policy)
    require_mode(request, "the API does not say what changed")
    name = request.unit.dataset.name
    now = client.now()
    chosen = SiteSelection(client, request.unit, request.policy)
    if name not in BY_CONTENT | set(BY_LIST):
        made = _listed_in_full(client, request, chosen)
    else:
        made = _by_modification(client, request, chosen, now)
    client.prove_login()
    return made


def late(client: ConfluenceClient, plan: IngestionPlan, epoch: int) -> tuple[IngestionSlice, ...]:
    """What was modified since the plan was made; after a full run also what no slice of it names.

    Pages that moved from a space whose list was not read yet to one whose list was are found so.
    """
    if plan.checkpoint_after is None:
        return ()
    marks = ConfluenceCheckpoint.model_validate(plan.checkpoint_after).watermarks.values()
    if not marks:
        return ()
    since = max(marks) - timedelta(seconds=client.config.overlap_s)
    chosen = SiteSelection(client, plan.unit, plan.policy)
    name = plan.unit.dataset.name
    if name in BY_LIST:
        made = [
            _slice(f"late-{epoch}:{one}", {"list": one, "since": since.isoformat()}, f"{one} modified since the plan")
            for one in BY_LIST[name]
        ]
    else:
        if plan.mode == "full":
            planned = {str(one) for piece in plan.slices for one in piece.params.get("ids") or ()}  # type: ignore[union-attr]
            heads = chosen.contents.heads()
            found = [one for one in heads if one.modified >= since or one.content_id not in planned]
        else:
            found = chosen.contents.modified(lambda _key: max(marks), client.config.overlap_s)
        recent = [one for one in found if chosen.is_recent(one.modified)]
        made = _of_heads(client, name, recent, chosen.spaces, f"late-{epoch}:", labels="each")
    client.prove_login()
    return _numbered(made, len(plan.slices))


def repairs(
    client: ConfluenceClient, plan: IngestionPlan, keys: Sequence[Any], epoch: int
) -> tuple[IngestionSlice, ...]:
    """Slices that read the rows with these keys, or all rows of the pages they belong to."""
    name, prefix = plan.unit.dataset.name, f"repair-{epoch}"
    ids = sorted({str(key["id"]).split(":")[0] for key in keys})
    if name in BY_LIST:
        made = [
            _slice(f"{prefix}-{one}-{index}", {"list": one, "only": [*chunk]}, f"{len(chunk)} missing row(s)")
            for one in BY_LIST[name]
            for index, chunk in enumerate(key_chunks(ids, client.config.slice_pages))
        ]
    elif name in BY_CONTENT:
        made = [
            _slice(f"{prefix}-{kind}-{index}", {"kind": kind, "ids": [*chunk]}, f"{len(chunk)} {kind}(s) again")
            for kind, some in _by_kind(client, ids).items()
            for index, chunk in enumerate(key_chunks(some, _most(client, name)))
        ]
    else:
        made = _listed_in_full_slices(client, plan.unit, plan.policy, f"{prefix}:")
    return _numbered(made, len(plan.slices))


def _by_modification(
    client: ConfluenceClient, request: PlanRequest, chosen: SiteSelection, now: datetime
) -> IngestionPlan:
    before = ConfluenceCheckpoint.read(request.checkpoint, chosen.scope.fingerprint(request.unit))
    incremental, name = request.mode == "incremental", request.unit.dataset.name
    census = not incremental or is_census_due(before.census_at, now, request.policy.census_every_s)
    if name in BY_LIST:
        pieces = _of_lists(client, name, chosen, before if incremental else ConfluenceCheckpoint())
    else:
        contents, overlap = chosen.contents, client.config.overlap_s
        heads = contents.modified(before.since, overlap) if incremental else contents.heads()
        recent = [one for one in heads if chosen.is_recent(one.modified)]
        labels = "each" if incremental and len(recent) <= client.config.page_size else "site"
        pieces = _of_heads(client, name, recent, chosen.spaces, "", labels=labels)
    pieces += [_unseen(key) for key in chosen.unseen]
    after = before.advanced(chosen.keys, now, census=census)
    reason = f"{len(chosen.spaces)} space(s), {'what was modified' if incremental else 'everything'}"
    return _plan(request, pieces, "space", reason, after=after, census=census and incremental)


def _of_lists(
    client: ConfluenceClient, name: str, chosen: SiteSelection, before: ConfluenceCheckpoint
) -> list[IngestionSlice]:
    """A slice per list of the site, from the oldest watermark on."""
    marks = [before.since(key) for key in chosen.keys]
    known = [mark for mark in marks if mark is not None]
    since = min(known) - timedelta(seconds=client.config.overlap_s) if known and len(known) == len(marks) else None
    since = max([one for one in (since, chosen.scope.updated_from) if one is not None], default=None)
    told = f"since {since:%Y-%m-%dT%H:%M:%SZ}" if since else "all"
    params = {"since": since.isoformat()} if since else {}
    return [_slice(one, {"list": one, **params}, f"{one}, {told}") for one in BY_LIST[name]]


def _of_heads(
    client: ConfluenceClient,
    name: str,
    heads: Iterable[ContentHead],
    spaces: Sequence[SpaceName],
    prefix: str,
    *,
    labels: str,
) -> list[IngestionSlice]:
    """Slices of one space and kind each, of bounded size."""
    keys = {one.space_id: one.key for one in spaces}
    grouped = sorted(heads, key=lambda one: (one.space_id, one.kind))
    made = []
    for (space_id, kind), some in groupby(grouped, key=lambda one: (one.space_id, one.kind)):
        for index, chunk in enumerate(key_chunks((one.content_id for one in some), _most(client, name))):
            key = keys.get(space_id, space_id)
            params = {"space": key, "space_id": space_id, "kind": kind, "ids": [*chunk], "labels": labels}
            piece = _slice(f"{prefix}{key}:{kind}:{index}", params, f"{key}, {len(chunk)} {kind}(s)")
            made.append(piece.model_copy(update={"estimated_rows": len(chunk)}))
    return made


def _listed_in_full(client: ConfluenceClient, request: PlanRequest, chosen: SiteSelection) -> IngestionPlan:
    pieces = _listed_in_full_slices(client, request.unit, request.policy, "", chosen)
    pieces += [_unseen(key) for key in chosen.unseen]
    return _plan(request, pieces, "single" if len(pieces) == 1 else "space", "the API lists it in full")


def _listed_in_full_slices(
    client: ConfluenceClient,
    unit: EndpointUnitDescriptor,
    policy: UnitPolicy,
    prefix: str,
    chosen: SiteSelection | None = None,
) -> list[IngestionSlice]:
    made = [_slice(f"{prefix}all", {}, "all")]
    if unit.dataset.name != "acl":
        return made
    if not client.has_v1():
        return [*made, _slice(f"{prefix}restrictions", {"gap": NO_V1}, NO_V1)]
    chosen = chosen or SiteSelection(client, unit, policy)
    return made + _of_heads(client, "acl", chosen.contents.heads(), chosen.spaces, prefix, labels="")


def _by_kind(client: ConfluenceClient, ids: Sequence[str]) -> dict[str, list[str]]:
    """Which of the ids are pages; the others are asked for as blog posts."""
    pages = {str(row["id"]) for row in client.contents("page", ids, bodies=False)}
    return {"page": [one for one in ids if one in pages], "blogpost": [one for one in ids if one not in pages]}


def _most(client: ConfluenceClient, name: str) -> int:
    return min(client.config.slice_pages, _PER_REQUEST.get(name, client.config.slice_pages))


def _slice(key: str, params: dict[str, Any], explain: str) -> IngestionSlice:
    return IngestionSlice(key=key, sequence=0, params={**params, "explain": explain})


def _unseen(key: str) -> IngestionSlice:
    return _slice(f"unseen:{key}", {"space": key, "unseen": key}, f"{key} is not there, or may not be seen")


def _numbered(pieces: Sequence[IngestionSlice], first: int) -> tuple[IngestionSlice, ...]:
    return tuple(one.model_copy(update={"sequence": first + index}) for index, one in enumerate(pieces))


def _plan(
    request: PlanRequest,
    pieces: Sequence[IngestionSlice],
    strategy: str,
    reason: str,
    *,
    after: Any = None,
    census: bool = False,
) -> IngestionPlan:
    return IngestionPlan(
        endpoint_id=request.endpoint_id,
        unit=request.unit,
        mode=request.mode,
        strategy=strategy,
        reason=reason,
        slices=_numbered(pieces or [_slice("nothing", {"kind": "page", "ids": []}, "nothing was modified")], 0),
        policy=request.policy,
        checkpoint_before=request.checkpoint,
        checkpoint_after=after,
        census=census,
    )
