"""What a sink remembers of the run that holds each (endpoint, unit, sink), in one object that is replaced as a whole.

The epoch is taken here first and then put into the target's own state, whose commits check it there. A process that
dies between the two has taken an epoch that nobody writes with. The frozen plan, which may be megabytes, is written
when a run begins and when it ends, and never with a slice.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contracts.errors import RunSupersededError, SinkLockedError
from contracts.receipts import FrozenRun, RunHandle

if TYPE_CHECKING:
    from connectors.lake.objects import ReplaceableObjects
    from contracts.model import Json
    from contracts.plan import IngestionPlan
    from contracts.receipts import RunRef

_TRIES = 30


def ref_key(ref: RunRef) -> str:
    """32 hexadecimal digits that stand for the (endpoint, unit, sink)."""
    return hashlib.sha256(ref.model_dump_json().encode()).hexdigest()[:32]


def superseded(run: RunHandle, newer_epoch: int) -> RunSupersededError:
    """What an overtaken run is told."""
    return RunSupersededError(
        f"Run {run.run_id} of {run.ref} held epoch {run.epoch}, and a newer run holds {newer_epoch}",
        "Nothing of this slice was written; look at the newer run.",
        epoch=run.epoch,
        newer_epoch=newer_epoch,
    )


def next_run(last: FrozenRun | None, ref: RunRef, run_id: str, plan: IngestionPlan, *, empty: bool) -> FrozenRun:
    """The run that takes the epoch after the last one's; another run id begins anew, the same one resumes."""
    same = last if last is not None and last.run_id == run_id else None
    return FrozenRun(
        ref=ref,
        run_id=run_id,
        epoch=last.epoch + 1 if last is not None else 1,
        plan=plan,
        started_at=same.started_at if same else datetime.now(UTC),
        target_was_empty=same.target_was_empty if same else empty,
        checkpoint=same.checkpoint if same else None,
    )


class FrozenRuns:
    """Frozen runs, one object each."""

    def __init__(self, objects: ReplaceableObjects, folder: str) -> None:
        self._objects, self._folder = objects, folder

    def last_run(self, ref: RunRef) -> FrozenRun | None:
        """The run that took the newest epoch, finished or not."""
        return self._read(ref)[0]

    def begin(self, ref: RunRef, run_id: str, plan: IngestionPlan, *, empty: bool) -> RunHandle:
        """Take the next epoch; another run id begins anew, the same one resumes."""
        for _ in range(_TRIES):
            last, tag = self._read(ref)
            begun = next_run(last, ref, run_id, plan, empty=empty)
            if self._replace(ref, begun, tag):
                return RunHandle(
                    ref=ref,
                    run_id=run_id,
                    epoch=begun.epoch,
                    resumed=last is not None and last.run_id == run_id,
                    target_was_empty=begun.target_was_empty,
                    target_is_empty=empty,
                )
        raise _contended(ref)

    def finish(self, run: RunHandle, checkpoint: Json | None) -> None:
        """Note the end of the run and its checkpoint, under the fence.

        Raises:
            RunSupersededError: A newer run has begun.
        """
        for _ in range(_TRIES):
            last, tag = self._read(run.ref)
            if last is None or last.epoch != run.epoch:
                raise superseded(run, last.epoch if last is not None else 0)
            ended = last.model_copy(update={"finished_at": datetime.now(UTC), "checkpoint": checkpoint})
            if self._replace(run.ref, ended, tag):
                return
        raise _contended(run.ref)

    def _read(self, ref: RunRef) -> tuple[FrozenRun | None, str]:
        held = self._objects.get(self._key(ref))
        return (None, "") if held is None else (FrozenRun.model_validate_json(held[0]), held[1])

    def _replace(self, ref: RunRef, run: FrozenRun, tag: str) -> bool:
        content = run.model_dump_json().encode()
        if not tag:
            return self._objects.put_if_absent(self._key(ref), content)
        return self._objects.put_if_match(self._key(ref), content, tag)

    def _key(self, ref: RunRef) -> str:
        return f"{self._folder}/{ref_key(ref)}.json"


def _contended(ref: RunRef) -> SinkLockedError:
    return SinkLockedError(f"Others keep changing the run of {ref}", "Run again when fewer processes write.")
