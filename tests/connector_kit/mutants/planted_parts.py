"""Bugs of units that are read part by part, and of settings that narrow what is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connectors.http import child_lists, lists, paged, parts, windows
from connectors.http.client import Refusal
from connectors.http.lists import UnitLists
from connectors.http.paging import Page
from connectors.http.parts import PartsCheckpoint
from contracts.errors import FilterNotSupportedError
from contracts.unit import UnitPolicy
from tests.connector_kit.mutants.planting import Mutant, around, put
from tests.connector_kit.systems.folders import DocumentsTestSystem, FolderSettings, FolderSource

MOMENT = timedelta(milliseconds=1)


def _since(choose):
    """Another watermark of a part: ``choose(all of them, the part's name)``."""
    return put(PartsCheckpoint, "since", lambda self, name: choose(self.watermarks, name))


def _of_the_one_before(marks, name):
    names = sorted(marks)
    return marks[names[names.index(name) - 1]] if name in marks else None


def _short_names(patch):
    """``F1`` and ``F10`` share a watermark."""
    for module in (child_lists, parts):
        around(module, "name_of", lambda original, parent: original(parent)[:2])(patch)


def _believed(patch):
    """The planned watermarks, whatever was read."""
    put(paged, "parts_checkpoint", lambda after, before, receipts: after)(patch)


def _no_gaps(original, after, before, receipts):
    return original(after, before, [one.model_copy(update={"gaps": (), "expected_rows": None}) for one in receipts])


def _now(patch):
    """What is empty was read up to now."""
    around(
        windows, "newest", lambda original, probe, since, latest: original(probe, since, latest) or datetime.now(UTC)
    )(patch)
    _believed(patch)


def _all_up_to_now(patch):
    around(windows, "newest", lambda original, probe, since, latest: datetime.now(UTC))(patch)
    _believed(patch)


def _new_ones_are_read(patch):
    """A part that appears during a run gets the run's newest watermark."""

    def checkpoint(original, after, before, receipts):
        planned = PartsCheckpoint.model_validate(after)
        seen = {name for one in receipts for name in one.observed.get(parts.PARTS, {})}
        new = dict.fromkeys(seen - set(planned.watermarks), max(planned.watermarks.values()))
        return original(planned.marked(planned.watermarks | new).dumped(), before, receipts) if not new else (
            PartsCheckpoint.model_validate(original(after, before, receipts)).marked(planned.watermarks | new).dumped()
        )  # fmt: skip

    around(paged, "parts_checkpoint", checkpoint)(patch)
    around(parts, "_since", lambda original, checkpoint, name, overlap_s, unit: original(
        checkpoint, name if name in checkpoint.watermarks or not checkpoint.watermarks else max(
            checkpoint.watermarks, key=checkpoint.watermarks.__getitem__), overlap_s, unit))(patch)  # fmt: skip


def _others_kept(original, self, marks, census_at):
    return original(self, self.watermarks | marks, census_at)


def _unknown_is_nothing(original, self):
    try:
        yield from original(self)
    except FilterNotSupportedError:
        return


def _bounds(change):
    return around(lists, "bounds_of", lambda original, params: change(original(params)))


def _last_bounds(bounds):
    ends = [*bounds.values()][-1][1:] if bounds else ()
    return {name: (key, *ends) for name, (key, *_) in bounds.items()}


def _keys_of_all(original, self, plan, view=None):
    return original(self, plan.model_copy(update={"policy": UnitPolicy()}), view)


def _refused_is_empty(original, self, ask):
    try:
        return original(self, ask)
    except Refusal:
        return Page([])


def _planted(name, check_id, plant):
    return Mutant(name, check_id, plant, DocumentsTestSystem)


MUTANTS = (
    _planted("a part goes on from the newest watermark of all", "incremental.part-watermarks", _since(lambda marks, name: max(marks.values()) if name in marks else None)),
    _planted("a part goes on from its neighbour's watermark", "incremental.part-watermarks", _since(_of_the_one_before)),
    _planted("parts share a watermark when their names begin alike", "incremental.part-watermarks", _short_names),
    _planted("all parts of a slice have the bounds of its last", "incremental.part-watermarks", _bounds(_last_bounds)),
    _planted("only the first part of a slice is read", "plan.covering", _bounds(lambda bounds: dict([*bounds.items()][:1]))),
    _planted("a new part goes on from the newest watermark", "incremental.part-appears", _since(lambda marks, name: marks.get(name) or max(marks.values(), default=None))),
    _planted("a new part goes on from the oldest watermark", "incremental.part-appears", _since(lambda marks, name: marks.get(name) or min(marks.values(), default=None))),
    _planted("an empty part was read up to now", "incremental.part-appears", _now),
    _planted("a part that appears during a run counts as read", "incremental.part-meanwhile", _new_ones_are_read),
    _planted("a part that is selected later goes on from the others' watermark", "incremental.part-selected", _since(lambda marks, name: marks.get(name) or min(marks.values(), default=None))),
    _planted("a choice of parts is ignored", "incremental.part-selected", put(lists, "chosen_parents", lambda *_: None)),
    _planted("the keys of all parts are compared, whatever is selected", "incremental.part-selected", around(FolderSource, "export_keys", _keys_of_all)),
    _planted("a full run of one part keeps the watermarks of the others", "incremental.part-left", around(PartsCheckpoint, "after", _others_kept)),
    _planted("a part that is not there is an empty one", "plan.part-unknown", around(UnitLists, "parents", _unknown_is_nothing)),
    _planted("a part that failed moves its watermark", "state.part-gap-holds", _believed),
    _planted("one window of a part moves the watermark past another that failed", "state.part-gap-holds", around(paged, "parts_checkpoint", _no_gaps)),
    _planted("all parts were read up to now", "state.not-ahead", _all_up_to_now),
    _planted("the overlap of parts is dropped", "incremental.overlap", put(parts, "_since", lambda checkpoint, name, overlap_s, unit: checkpoint.since(name))),
    _planted("what is at a part's watermark is left out", "incremental.at-watermark", around(parts, "_since", lambda original, *given: (found := original(*given)) and found + MOMENT)),
    _planted("parts have no late slices", "incremental.changed-meanwhile", put(paged, "late_parts", lambda *_: ())),
    _planted("a part that is refused is an empty one", "errors.staying-403", around(FolderSource, "page", _refused_is_empty)),
    _planted("a setting that narrows is not named", "incremental.widened", put(FolderSettings, "narrowing", ())),
    _planted("a part that a setting kept out goes on from the others' watermark", "incremental.widened", _since(lambda marks, name: marks.get(name) or max(marks.values(), default=None))),
)  # fmt: skip
