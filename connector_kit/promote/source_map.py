"""From a line of a finished module back to the line of the cell that it came from."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from connector_kit.promote.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector_kit.promote.drafts import Line
    from connector_kit.promote.tools import ToolMessage

_PLACE = re.compile(r"([\w./-]+\.py)(?::|\", line )(\d+)")


class SourceMap:
    """Knows, for each module that was made, where its lines were before they were sorted and formatted."""

    def __init__(self) -> None:
        self._lines: dict[str, Sequence[Line]] = {}
        self._now: dict[str, list[str]] = {}

    def add(self, path: str, lines: Sequence[Line], finished: str) -> None:
        """A module's lines as they were put together, and its text now."""
        self._lines[path], self._now[path] = lines, finished.splitlines()

    def problem(self, finding: ToolMessage) -> Problem:
        """The finding as a problem of a cell; of a file that no cell made, as one without a cell that names it."""
        if finding.path not in self._lines:
            where = f"{finding.path}:{finding.line}: " if finding.path else ""
            return Problem(0, 0, f"{where}{finding.what}", finding.fix)
        cell, line = self._origin(finding.path, finding.line)
        return Problem(cell, line, finding.what, finding.fix)

    def problem_in_text(self, text: str, fix: str) -> Problem:
        """A finding that is only words: its place is the last file and line in them that a cell made."""
        named = [(path, int(line)) for path, line in _PLACE.findall(text)]
        ours = [(known, line) for path, line in named for known in self._lines if path.endswith(known)]
        return Problem(*(self._origin(*ours[-1]) if ours else (0, 0)), text, fix)

    def _origin(self, path: str, line: int) -> tuple[int, int]:
        before, index = self._lines[path], max(line - 1, 0)
        at = _counterpart([each.text.strip() for each in before], [each.strip() for each in self._now[path]], index)
        near = [*reversed(before[: at + 1]), *before[at + 1 :]]
        match = next((each for each in near if each.cell), None)
        return (match.cell, match.number) if match else (0, 0)


def _counterpart(before: list[str], now: list[str], index: int) -> int:
    matcher = SequenceMatcher(None, before, now, autojunk=False)
    for _, old_begin, old_end, new_begin, new_end in matcher.get_opcodes():
        if new_begin <= index < new_end:
            return max(min(old_begin + index - new_begin, old_end - 1), 0)
    return max(len(before) - 1, 0)
