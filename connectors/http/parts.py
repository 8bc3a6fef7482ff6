"""Units that are read incrementally part by part: issues of each project, pages of each space, files of each drive.

The parts are the rows of the unit's parent. Each part has a watermark of its own, so a part that is selected later, or
that could not be read, is read from where it was left, and the others go on.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from connectors.http import windows
from connectors.http.child_lists import name_of
from connectors.http.planning import FUTURE, UnitProbe, plan_of
from connectors.http.progress import is_census_due
from connectors.http.scope import require_mode
from connectors.http.watermarks import WatermarkedCheckpoint
from contracts.plan import IngestionSlice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from connectors.http.child_lists import Parent
    from connectors.http.json_api import PagedSettings
    from connectors.http.paging import Page, PageRequest
    from connectors.http.units import ApiUnit
    from contracts.endpoint import PlanRequest
    from contracts.model import Json
    from contracts.plan import IngestionPlan
    from contracts.receipts import UpsertReceipt

PARTS = "parts"
"""Under this name a slice's parameters hold its parts, and its report the newest change of each."""


class PartsCheckpoint(WatermarkedCheckpoint):
    """``transient.parts.<key>.watermark``: the newest change of the part that the service showed when it was planned.

    Attributes:
        scope: Fingerprint of the unit's columns, and of what narrows it besides its parts.
    """

    parts_name: ClassVar[str] = PARTS
    mark_name: ClassVar[str] = "watermark"


class _Part(NamedTuple):
    """A part that is to be read in these windows, up to its newest change."""

    parent: Parent
    windows: list[windows.ChangeWindow]
    top: datetime | None


def make_plan_by_parts(
    page: Callable[[PageRequest], Page],
    unit: ApiUnit,
    parents: Iterable[Parent],
    request: PlanRequest,
    settings: PagedSettings,
    scope: str,
) -> IngestionPlan:
    """The plan: each part from its own watermark on; small parts share a slice.

    The newest change of every part is asked for, several parts at a time.

    Raises:
        ModeUnsupportedError: The unit has no such mode.
    """
    require_mode(request, "the API does not say what changed")
    now = datetime.now(UTC)
    before = PartsCheckpoint.read(request.checkpoint, scope)
    incremental = request.mode == "incremental"

    def planned(parent: Parent) -> _Part:
        probe = UnitProbe(page, unit, settings.page_size, parent)
        since = _since(before, name_of(parent), settings.overlap_s, unit) if incremental else None
        top = windows.newest(probe, since, now + FUTURE)
        whole = [windows.ChangeWindow(since=since)]
        return _Part(
            parent, windows.split_windows(probe, since, top, settings.slice_rows) if unit.windows else whole, top
        )

    with ThreadPoolExecutor(settings.concurrency, thread_name_prefix="parts") as pool:
        parts = list(pool.map(planned, parents))
    census = not incremental or (unit.keys_only and is_census_due(before.census_at, now, request.policy.census_every_s))
    tops = {name_of(part.parent): part.top for part in parts}
    marks = {name: top for name, top in tops.items() if top is not None}
    old = before.watermarks
    marks = {name: max(top, old[name]) if name in old else top for name, top in marks.items()}
    after = before.after(marks, now if census else None)
    reason = f"{len(parts)} part(s), each from where it was read" if incremental else f"{len(parts)} part(s), in full"
    return plan_of(
        request, tuple(_slices(parts, settings)), "change-window-by-part", reason, after=after.dumped(), census=census
    )


def late_parts(
    parents: Iterable[Parent], plan: IngestionPlan, unit: ApiUnit, epoch: int, settings: PagedSettings
) -> tuple[IngestionSlice, ...]:
    """What changed in each part since the plan was made; parts that are new since are read whole."""
    planned = PartsCheckpoint.model_validate(plan.checkpoint_after or {})
    read = {str(part) for piece in plan.slices for part in _names(piece)}
    asked = []
    for parent in parents:
        name = name_of(parent)
        since = _since(planned, name, settings.overlap_s, unit) if name in read else None
        asked.append(_named(parent, windows.ChangeWindow(since=since)))
    chunks = [asked[at : at + settings.slice_parents] for at in range(0, len(asked), settings.slice_parents)]
    return tuple(
        _slice(
            f"late-{epoch}-{number}", len(plan.slices) + number, chunk, f"what changed since in {len(chunk)} part(s)"
        )
        for number, chunk in enumerate(chunks)
    )


def parts_checkpoint(after: Json, before: Json | None, receipts: Sequence[UpsertReceipt]) -> Json:
    """The checkpoint after slices with these receipts: no part's watermark passes its rows.

    It is the planned one or the newest change in the receipts, whichever is older. A part of a slice with gaps stays
    where it was, and so does one that no receipt speaks of.
    """
    if not receipts:
        return after
    planned, old = PartsCheckpoint.model_validate(after), PartsCheckpoint.model_validate(before or {})
    kept = old.watermarks if old.scope == planned.scope else {}
    newest: dict[str, datetime] = {}
    read, lost = set[str](), set[str]()
    for receipt in receipts:
        seen = receipt.observed.get(PARTS)
        for name, moment in seen.items() if isinstance(seen, dict) else ():
            read.add(name)
            if receipt.incomplete:
                lost.add(name)
            if moment is not None:
                newest[name] = max(datetime.fromisoformat(str(moment)), newest.get(name, _BEGINNING))
    marks = {}
    for name, top in planned.watermarks.items():
        reached = max(newest.get(name, _BEGINNING), kept.get(name, _BEGINNING))
        mark = min(reached, top) if name in read - lost else kept.get(name, _BEGINNING)
        if mark > _BEGINNING:
            marks[name] = mark
    return planned.marked(marks).dumped()


def bounds_of(params: Json) -> dict[str, tuple[list[object], datetime | None, datetime | None]]:
    """Parts of a slice by name: the key, and from when to when it is read."""
    found = params.get(PARTS)
    parts = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return {
        "/".join(str(value) for value in _key(part)): (_key(part), moment_in(part, "since"), moment_in(part, "before"))
        for part in parts
    }


_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


def _since(checkpoint: PartsCheckpoint, name: str, overlap_s: float, unit: ApiUnit) -> datetime | None:
    mark = checkpoint.since(name)
    return None if mark is None else unit.asked_from(mark - timedelta(seconds=overlap_s))


def _slices(parts: Iterable[_Part], settings: PagedSettings) -> Iterator[IngestionSlice]:
    """Small parts together, large ones by themselves, window by window."""
    together: list[Json] = []
    number = rows = 0
    for part in parts:
        for window in part.windows:
            size = window.rows or 0
            full = len(together) >= settings.slice_parents or rows + size > settings.slice_rows
            if together and (full or len(part.windows) > 1):
                yield _slice(f"parts-{number}", number, together, _words(together))
                number, together, rows = number + 1, [], 0
            together.append(_named(part.parent, window))
            rows += size
    if together or not number:
        yield _slice(f"parts-{number}", number, together, _words(together))


def _words(together: Sequence[Json]) -> str:
    if len(together) != 1:
        return f"{len(together)} part(s)"
    since, before = (moment_in(together[0], name) for name in ("since", "before"))
    return f"{'/'.join(map(str, _key(together[0])))}: {windows.ChangeWindow(since=since, before=before)}"


def _named(parent: Parent, window: windows.ChangeWindow) -> Json:
    ends = {"since": window.since, "before": window.before}
    return {"key": [*parent.values()], **{name: end.isoformat() for name, end in ends.items() if end is not None}}


def _slice(key: str, sequence: int, parts: Sequence[Json], words: str) -> IngestionSlice:
    return IngestionSlice(key=key, sequence=sequence, params={PARTS: [*parts], "explain": words})


def _names(piece: IngestionSlice) -> Iterable[str]:
    return bounds_of(piece.params)


def _key(part: Json) -> list[object]:
    key = part.get("key")
    return [*key] if isinstance(key, list) else []


def moment_in(part: Json, name: str) -> datetime | None:
    """The moment of that name among parameters, if it is there."""
    return datetime.fromisoformat(str(part[name])) if name in part else None
