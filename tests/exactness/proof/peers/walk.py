"""dlt in the place of our runs: the same table, the same failures, the same changes of the source between them."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from pathlib import Path
from typing import Any

from tests.exactness.chain import Chain
from tests.exactness.moving import TABLE, Pair
from tests.exactness.proof.tables import TableWalk

_PROGRAM = Path(__file__).with_name("dlt_run.py")
_PATIENCE_S = 120.0
_TRIES = 3
"""A run that nothing disturbs may fail once on what the one before left behind."""


class DltProcess:
    """What :class:`tests.exactness.processes.RunProcess` is for us."""

    def __init__(self, python: Path, source: str, sink: str, folder: Path, file_bytes: int) -> None:
        self._process = subprocess.Popen(
            [python, _PROGRAM, source, sink, str(folder), str(file_bytes)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._lines: queue.Queue[Any] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.said: list[Any] = []

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(("{", '"')):
                self._lines.put(json.loads(line))
        self._lines.put(None)

    def listen(self, timeout_s: float) -> Any:
        """The next thing it says; None when it has ended instead."""
        said = self._lines.get(timeout=timeout_s)
        if said is not None:
            self.said.append(said)
        return said

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """SIGKILL, now."""
        self._process.kill()

    def wait(self, timeout_s: float) -> int:
        """Its exit code (negative: the signal that ended it)."""
        code = self._process.wait(timeout_s)
        while self.listen(timeout_s) is not None:
            pass
        self._reader.join()
        return code


class DltPair(Pair):
    """Where dlt puts the rows."""

    def both(self) -> tuple[list[str], list[str]]:
        """All rows as sorted text: source, sink; nothing of a table that was never made."""
        columns = "ROW(id, note, changed_at)::text"
        source = self.write(f"SELECT {columns} FROM {TABLE}").splitlines()
        is_there = self.look("SELECT to_regclass('copy.moved') IS NOT NULL") == "t"
        return sorted(source), sorted(self.look(f"SELECT {columns} FROM copy.moved").splitlines()) if is_there else []


class DltChain(Chain):
    """Runs of dlt; what is promised of ours between two runs is not asked of it."""

    python: Path

    def start(self, kill: str = "", **changes: Any) -> Any:
        """A process of dlt."""
        assert not kill
        pair, most = self.pair, int(changes.get("file_bytes", 0))
        source, sink = pair.server.url(pair.source), pair.sink_server.url(pair.sink)  # it knows no sockets in folders
        return DltProcess(self.python, source, sink, self.folder / "dlt", most)

    def state(self) -> tuple[str, bool, dict[str, int]]:
        """Nothing is known."""
        return "", False, {}

    def after_kill(self, before: tuple[str, bool, dict[str, int]]) -> None:
        """Count it."""
        self.kills += 1

    def run_to_end(self) -> dict[str, Any]:
        """A run that nothing disturbs, tried again when it fails."""
        said: list[Any] = []
        for _ in range(_TRIES):
            process = self.start()
            if process.wait(_PATIENCE_S) == 0:
                return dict(process.said[-1])
            said = process.said
        raise AssertionError(f"{_TRIES} runs that nothing disturbed have failed: {said[-1:]}")


class DltWalk(TableWalk):
    """Over one pair; see :class:`TableWalk`."""

    def __init__(self, pair: DltPair, folder: Path, seed: int, python: Path) -> None:
        super().__init__("dlt", pair, "incremental", folder / "ours", seed)
        self._chain = DltChain(pair, "incremental", folder / "theirs", seed)
        self._chain.python = python
        self.longest_s = 1.6
