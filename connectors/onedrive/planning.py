"""Plans: a slice per drive for items; for versions and permissions slices of some hundred items that changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.http.client import Refusal
from connectors.http.progress import is_census_due
from connectors.http.scope import require_mode, resolve_unit
from connectors.onedrive.changed import changed_items
from connectors.onedrive.drives import find_drives
from connectors.onedrive.errors import UNSEEN, typed_errors
from connectors.onedrive.feed import batches
from connectors.onedrive.progress import DriveCheckpoint, DriveProgress, DriveStates
from connectors.onedrive.scope import scope_of
from connectors.onedrive.units import UNITS, VENDOR, is_by_feed, is_of_items
from contracts.plan import IngestionPlan, IngestionSlice

if TYPE_CHECKING:
    from connectors.onedrive.client import GraphClient
    from connectors.onedrive.drives import FoundDrives
    from connectors.onedrive.scope import DriveScope
    from contracts.endpoint import PlanRequest
    from contracts.model import Json


def make_plan(client: GraphClient, request: PlanRequest) -> IngestionPlan:
    """The plan; the login is proven first.

    Raises:
        SourceAuthError: The login does not count.
        FilterNotSupportedError: The policy selects what the unit does not know.
        ModeUnsupportedError: Incremental, for drives.
        SourceSchemaChangedError: The connector knows no such unit.
    """
    resolve_unit(request.unit, VENDOR, UNITS)
    scope = scope_of(request.unit, request.policy)
    require_mode(request, "drives are listed in full")
    with typed_errors():
        client.login()
        found = find_drives(client, scope)
        planning = _DrivePlanning(client, request, scope, found)
        return planning.by_feed() if is_by_feed(request.unit.dataset) else planning.listed()


class _DrivePlanning:
    """One plan. Use once."""

    def __init__(self, client: GraphClient, request: PlanRequest, scope: DriveScope, found: FoundDrives) -> None:
        self._client, self._request, self._scope, self._found = client, request, scope, found
        self._params: list[tuple[str, Json]] = [(f"unseen {name}", {"unseen": name, "why": why})
                                                for name, why in found.unseen.items()]  # fmt: skip

    def listed(self) -> IngestionPlan:
        """Drives."""
        return self._plan([("all", {"explain": "all drives"})], "single", "drives are listed in full", None)

    def by_feed(self) -> IngestionPlan:
        """What follows the drives' feeds."""
        request, incremental = self._request, self._request.mode == "incremental"
        fingerprint = self._scope.fingerprint(request.unit, self._client.config)
        before = DriveCheckpoint.read(request.checkpoint if incremental else None, fingerprint)
        now = datetime.now(UTC)
        last = datetime.fromisoformat(before.census_at) if before.census_at else None
        due = is_census_due(last, now, request.policy.census_every_s)
        drives = [*self._found.payloads]
        census = incremental and (due or bool(before.drives.keys() - set(drives)))
        known = {one: before.drives[one] for one in drives if one in before.drives}
        if is_of_items(request.unit.dataset):
            states, everything = self._of_items(known)
            census = census or (incremental and everything)
            known = states
        else:
            for drive in drives:
                since = drive in known
                what = "what changed" if since else "all items"
                self._params.append((drive, {"drive": drive, "since": since, "explain": what}))
        read_at = now.isoformat() if census or not incremental else before.census_at
        after = before.model_copy(
            update={"census_at": read_at, "transient": DriveStates(drives=dict(sorted(known.items())))}
        )
        reason = "each drive has a feed of its own"
        return self._plan(self._params, "feed", reason, after.dumped(), census=census)

    def _of_items(self, known: dict[str, DriveProgress]) -> tuple[dict[str, DriveProgress], bool]:
        """Slices of items, and how far each drive is read with them; True when a drive is read in full again."""
        states, everything = {}, False
        for drive in self._found.payloads:
            try:
                changed = changed_items(
                    self._client, drive, known.get(drive), self._request.unit.dataset.name,
                    self._scope.roots(self._client.config),
                )  # fmt: skip
            except Refusal as refusal:
                if refusal.status not in UNSEEN:
                    raise
                self._params.append((f"unseen {drive}", {"unseen": drive, "why": str(refusal), "drive": drive}))
                if drive in known:
                    states[drive] = known[drive]
                continue
            states[drive] = changed.progress
            everything = everything or changed.whole
            for number, ids in enumerate(batches(changed.items, self._client.config.slice_items)):
                self._params.append((f"{drive} {number}", {"drive": drive, "items": [*ids]}))
            if changed.gone:
                self._params.append((f"{drive} gone", {"drive": drive, "items": [], "gone": [*changed.gone]}))
        return states, everything

    def _plan(
        self, pieces: list[tuple[str, Json]], strategy: str, reason: str, after: Json | None, *, census: bool = False
    ) -> IngestionPlan:
        request = self._request
        return IngestionPlan(
            endpoint_id=request.endpoint_id,
            unit=request.unit,
            mode=request.mode,
            strategy=strategy,
            reason=reason,
            slices=tuple(
                IngestionSlice(key=key, sequence=number, params=params) for number, (key, params) in enumerate(pieces)
            ),
            policy=request.policy,
            checkpoint_before=request.checkpoint,
            checkpoint_after=after,
            notes=tuple(f"{name} cannot be seen: {why}" for name, why in self._found.unseen.items()),
            census=census,
        )
