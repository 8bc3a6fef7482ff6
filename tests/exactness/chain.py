"""A chain of worker processes over one pair of databases: each is killed, the next goes on, the last one finishes."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flows.stages import retries
from staging.config import LocalStagingConfig
from staging.local import LocalStaging
from tests.exactness import worker
from tests.exactness.executors import server_environment
from tests.exactness.moving import TABLE, Pair, assert_equal, seeded
from tests.exactness.processes import RunProcess

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from contracts.unit import IngestionMode

_PATIENCE_S = 60.0
_MIRROR = 200_010
"""Keys are ten apart from 10 to 200,000: this minus a key is a key of the opposite range."""


@dataclass
class Chain:
    """Processes of one run of one table, and what is checked between them.

    Attributes:
        pair: Where from and where to.
        mode: How the unit is read.
        folder: Holds the staging area and the checkpoint file.
        seed: Of every choice made here.
        kills: How many processes were killed so far.
        slowest_unlock_s: The longest time the run lock outlived a killed process.
    """

    pair: Pair
    mode: IngestionMode
    folder: Path
    seed: int
    kills: int = 0
    slowest_unlock_s: float = 0.0
    chance: random.Random = field(init=False)
    _step: int = 0

    def __post_init__(self) -> None:
        self.chance = seeded(self.seed)
        (self.folder / "staged").mkdir(parents=True)

    def kill_at(self, boundary: str) -> None:
        """A process that kills itself at the boundary; checks what it left."""
        assert self.kill_if_passed(boundary), f"seed {self.seed}, {boundary}: not reached"

    def kill_if_passed(self, boundary: str) -> bool:
        """The same of a boundary that the run may not pass: False when it ended without."""
        before = self.state()
        process = self.start(boundary)
        code = process.wait(_PATIENCE_S)
        if code == 0:
            return False
        assert code == -signal.SIGKILL, f"seed {self.seed}, {boundary}: {process.said}"
        self.after_kill(before)
        return True

    def kill_after(self, delay_s: float) -> bool:
        """A process that is killed so long after it has started to work; False when it had ended by then."""
        before = self.state()
        process = self.start()
        assert process.listen(_PATIENCE_S) == "ready"
        time.sleep(delay_s)
        process.kill()
        code = process.wait(_PATIENCE_S)
        if code == 0 or len(process.said) > 1:
            return False
        assert code == -signal.SIGKILL, f"seed {self.seed}: {process.said}"
        self.after_kill(before)
        return True

    def finish(self) -> dict[str, Any]:
        """A process that nobody kills: it redoes what has no receipt, and nothing else, and both sides are equal."""
        summary = self.run_to_end()
        assert_equal(self.pair, self.seed)
        return summary

    def run_to_end(self) -> dict[str, Any]:
        """The same for a caller that compares both sides itself."""
        run_id, finished, before = self.state()
        process = self.start()
        assert process.wait(_PATIENCE_S) == 0, f"seed {self.seed}: {process.said}"
        summary: dict[str, Any] = process.said[-1]
        if run_id and not finished:
            assert summary["run_id"] == run_id, f"seed {self.seed}: the run was not continued"
            self._old_receipts_stand(before)
        self._says_what_the_sink_holds(summary)
        return summary

    def refused(self, **changes: Any) -> dict[str, Any]:
        """A process that must end with a typed error: exit code 3 and the error as JSON, no traceback."""
        process = self.start(**changes)
        assert process.wait(_PATIENCE_S) == 3, f"seed {self.seed}: {process.said}"
        error: dict[str, Any] = process.said[-1]
        return error

    def disturb(self) -> None:
        """Change the source while no process lives: what the mode promises to notice."""
        self._step += 1
        picked = sorted(self.chance.sample(range(10, 200_000, 10), 40))
        ids = ", ".join(str(one) for one in picked)
        stamped = bool(self.pair.policy.cursor_columns)
        stamp = f", changed_at = {self.pair.now}" if stamped else ""
        to = f"{_MIRROR} - id + {1 + self._step % 9}"
        first = 300_000 + self._step * 100
        late = ", ".join(f"({first + i}, 'late')" for i in range(1, 10))
        lines = [f"INSERT INTO {TABLE} (id, note) VALUES {late}"]
        if self.mode == "full":
            lines.append(f"UPDATE {TABLE} SET id = {to}{stamp} WHERE id IN ({ids}) AND id % 40 <> 0")
            lines.append(f"DELETE FROM {TABLE} WHERE id IN ({ids}) AND id % 80 = 0")
        if stamped:
            lines.append(f"UPDATE {TABLE} SET note = 'step {self._step}'{stamp} WHERE id IN ({ids})")
        self.pair.write("; ".join(lines))

    def sessions(self) -> dict[str, str]:
        """State of every staging session by its key."""
        staging = LocalStaging(LocalStagingConfig(path=self.folder / "staged"))
        return {session.key: session.state for session in staging.sessions()}

    def start(self, kill: str = "", **changes: Any) -> RunProcess:
        """A process with this fuse (none when empty) and changes to its order."""
        order = {
            "executor": self.pair.executor,
            "ref": (self.pair.ref.endpoint_id, self.pair.ref.unit_id, self.pair.ref.sink_id),
            "environment": server_environment(),
            "kill": kill,
            "delays_s": retries.DELAYS_S,
            "source": self.pair.source_url,
            "sink": self.pair.sink_url,
            "source_maker": self.pair.source_maker,
            "maker": self.pair.maker,
            "folder": str(self.folder / "staged"),
            "checkpoint": str(self.folder / "checkpoint.json"),
            "mode": self.mode,
            "policy": self.pair.policy.model_dump(mode="json"),
            **changes,
        }
        return RunProcess(worker.run_once, order)

    def _says_what_the_sink_holds(self, summary: dict[str, Any]) -> None:
        """The summary's sums are those of the receipts, whatever was killed, resumed, repaired or tried again."""
        receipts = [each for each in self.pair.full_receipts() if each["strategy"] != "census"]
        assert summary["rows_staged"] == sum(each["rows_staged"] for each in receipts), f"seed {self.seed}"
        before = sum(each["epoch"] < summary["epoch"] for each in receipts)
        assert summary["slices_done_before"] == before, f"seed {self.seed}: {receipts}"
        assert summary["slices_done"] == len(receipts) - before, f"seed {self.seed}: {receipts}"
        written = ("rows_inserted", "rows_updated", "rows_unchanged", "rows_duplicate")
        for each in receipts:
            assert each["rows_staged"] == sum(each[name] for name in written), f"seed {self.seed}: {each}"
        for name in written[:3]:
            assert summary[name] == sum(each[name] for each in receipts), f"seed {self.seed}: {name}"

    def state(self) -> tuple[str, bool, dict[str, int]]:
        """(run id, whether it is finished, epoch by slice)."""
        run = self.pair.run_id()
        finished = bool(run) and self.pair.finished()
        return run, finished, self.pair.receipts()

    def after_kill(self, before: tuple[str, bool, dict[str, int]]) -> None:
        """The lock is free, finished slices stand; ``before`` is the state before the process that was killed."""
        self.kills += 1
        self._lock_is_free()
        run_id, finished, receipts = before
        if run_id and not finished and self.pair.run_id() == run_id:
            self._old_receipts_stand(receipts)
        self._spoil_unsealed()

    def _old_receipts_stand(self, before: dict[str, int]) -> None:
        """Slices finished before keep their epoch: nobody wrote them again; newer ones have a newer epoch."""
        after = self.pair.receipts()
        redone = {key: (epoch, after.get(key)) for key, epoch in before.items() if after.get(key) != epoch}
        assert not redone, f"seed {self.seed}: finished slices were done again: {redone}"
        newest = max(before.values(), default=0)
        assert all(epoch > newest for key, epoch in after.items() if key not in before), f"seed {self.seed}: {after}"

    def _lock_is_free(self) -> None:
        """The dead holder's lock goes as soon as the other side notices its end: a connection's, or a file's."""
        began = time.monotonic()
        while self.pair.is_locked():
            assert time.monotonic() < began + 5.0, f"seed {self.seed}: the run lock outlives its process"
            time.sleep(0.01)
        self.slowest_unlock_s = max(self.slowest_unlock_s, time.monotonic() - began)

    def damage_sealed(self) -> int:
        """Cut the files of sealed sessions short, as a disk that lies does; how many."""
        sealed = [key for key, state in self.sessions().items() if state == "sealed"]
        files = [part for key in sealed for part in (self.folder / "staged" / key).glob("*.parquet")]
        for file in files:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        return len(files)

    def _spoil_unsealed(self) -> None:
        """Whoever reads a half-written session from now on fails."""
        for key, state in self.sessions().items():
            if state == "open":
                for part in (self.folder / "staged" / key).glob("*.parquet"):
                    part.write_bytes(b"not parquet")
