"""What a proof counts, place by place, and the page it becomes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
"""Around the part of docs/exactness.md that is measured."""


@dataclass
class Tally:
    """One source, sink and executor.

    Attributes:
        place: Their names.
        failures: By kind: what was made to fail, and did.
        runs: Runs that ended with success.
        rows_moved: Rows that those runs staged and wrote.
        rows_lost: Rows at the source that the sink did not hold, or held in an older version.
        rows_doubled: Rows of the sink beyond those at the source: a second copy, an older version, a ghost.
        errors: Codes that runs ended with before they were run again.
        recoveries_s: From each failure, or the last of several in a row, to the end of the run that came through.
        broken: Promises that were not kept, in words.
    """

    place: str
    failures: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    rows_moved: int = 0
    rows_lost: int = 0
    rows_doubled: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    recoveries_s: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def compare(self, source: list[str], sink: list[str]) -> None:
        """Count what the two sides' rows, as text, do not share."""
        theirs, ours = Counter(source), Counter(sink)
        self.rows_lost += (theirs - ours).total()
        self.rows_doubled += (ours - theirs).total()

    @property
    def is_exact(self) -> bool:
        """Nothing lost, nothing doubled, every promise kept."""
        return not (self.rows_lost or self.rows_doubled or self.broken)


def page(tallies: list[Tally], seed: int) -> str:
    """The report as Markdown."""
    kinds = sorted({kind for each in tallies for kind in each.failures})
    recoveries = [one for each in tallies for one in each.recoveries_s]
    lines = [
        (
            f"{sum(each.failures.total() for each in tallies)} failures, seed {seed}: "
            f"{sum(each.runs for each in tallies):,} runs ended with success and moved "
            f"{sum(each.rows_moved for each in tallies):,} rows; **{sum(each.rows_lost for each in tallies)} lost, "
            f"{sum(each.rows_doubled for each in tallies)} doubled**."
        ),
        "",
        "| Source → sink, executor | Failures | Runs | Rows moved | Lost | Doubled | Recovered in, median | slowest |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(_place_line(each) for each in tallies),
        "",
        "| Failure | Times |",
        "|---|---:|",
        *(f"| {kind} | {sum(each.failures[kind] for each in tallies)} |" for kind in kinds),
        "",
    ]
    if recoveries:
        lines += [
            (
                f"Time from a failure to the end of the run that came through: median {median(recoveries):.1f} s, "
                f"slowest {max(recoveries):.1f} s, with the start of the process and the whole run in it."
            ),
            "",
        ]
    errors = sum((each.errors for each in tallies), Counter[str]())
    if errors:
        said = ", ".join(f"`{code}` {times}" for code, times in sorted(errors.items()))
        lines += [f"Errors that runs ended with before they were run again: {said}.", ""]
    lines += [f"- **{each.place}**: {line}" for each in tallies for line in each.broken]
    return "\n".join(lines)


def within_marks(text: str, report: str) -> str:
    """The page with this report in place of the one before."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{report.strip()}\n{END}{after}"


def _place_line(tally: Tally) -> str:
    times = tally.recoveries_s
    recovered = f"{median(times):.1f} s | {max(times):.1f} s" if times else "- | -"
    return (
        f"| {tally.place} | {tally.failures.total()} | {tally.runs} | {tally.rows_moved:,} | {tally.rows_lost} | "
        f"{tally.rows_doubled} | {recovered} |"
    )
