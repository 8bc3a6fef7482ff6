"""What the demo's runs said of themselves: events of OpenLineage in a file, each checked against the standard."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from flows.lineage_feed import is_configured
from sandbox.lineage import problem_of

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

_KINDS = ("START", "RUNNING", "COMPLETE", "FAIL", "ABORT")


class LineageChapter:
    """Sends the events of this process to a file below the folder, unless somebody said where they go.

    Args:
        folder: Of the demo's world.
        console: Where the story is told.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self.file, self.console = folder / "lineage.jsonl", console
        self.is_ours = not is_configured()
        if self.is_ours:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self.file.unlink(missing_ok=True)
            transport = {"type": "file", "log_file_path": str(self.file), "append": True}
            os.environ["OPENLINEAGE__TRANSPORT"] = json.dumps(transport)

    def tell(self) -> list[tuple[str, bool, str]]:
        """One check for all events: each is valid, and each run that began has come to its end."""
        if not self.is_ours:
            return []
        events = [json.loads(line) for line in self.file.read_text().splitlines()]
        problems = [problem for event in events if (problem := problem_of(event)) is not None]
        for problem in problems[:5]:
            self.console.print(f"  [red]{problem}[/red]")
        runs = {kind: {event["run"]["runId"] for event in events if event["eventType"] == kind} for kind in _KINDS}
        ended = runs["COMPLETE"] | runs["FAIL"] | runs["ABORT"]
        mapped = sum("columnLineage" in out["facets"] for event in events for out in event["outputs"])
        self.console.print(
            f"{len(events)} lineage events of {len(runs['START'])} runs, {mapped} with lineage of columns: {self.file}"
        )
        good = bool(events) and not problems and runs["START"] <= ended
        return [("lineage events", good, f"{len(events):,} events")]
