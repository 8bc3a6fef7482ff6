"""The scorecard: what became of every check, as JSON, as a short table, as a page."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, get_args

from connector_kit.checks.check import Verdict
from connector_kit.checks.page import page_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_kit.checks.check import Finding

_SIGNS = {"passed": "ok", "failed": "FAILED", "skipped": "skipped", "excepted": "excepted"}


@dataclass(frozen=True)
class Scorecard:
    """What became of the checks of one connector.

    Attributes:
        title: Of the connector.
        unit: Template and unit.
        findings: In the order of the checks.
        titles: Of groups, by name.
    """

    title: str
    unit: str
    findings: tuple[Finding, ...]
    titles: Mapping[str, str]

    @property
    def good(self) -> bool:
        """Whether no check failed."""
        return all(finding.good for finding in self.findings)

    @property
    def counts(self) -> dict[Verdict, int]:
        """Findings of each verdict."""
        counted = Counter(finding.verdict for finding in self.findings)
        return {verdict: counted[verdict] for verdict in get_args(Verdict)}

    def json(self) -> str:
        """Shape: ``{connector, unit, good, counts, seconds, findings: [...]}``."""
        said = {
            "connector": self.title,
            "unit": self.unit,
            "good": self.good,
            "counts": self.counts,
            "seconds": round(sum(finding.seconds for finding in self.findings), 3),
            "findings": [finding.to_json() for finding in self.findings],
        }
        return json.dumps(said, indent=2, ensure_ascii=False) + "\n"

    def text(self) -> str:
        """One line a check; what is not passed says why."""
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        lines = [f"{self.title} ({self.unit}): {counts}"]
        for finding in self.findings:
            lines.append(f"  {_SIGNS[finding.verdict]:<8} {finding.check:<28} {finding.title}")
            if finding.verdict == "failed":
                names = ("sent", "received", "expected")
                lines += [f"{'':>12}{name}: {value}" for name in names if (value := getattr(finding, name))]
            if finding.reason:
                lines.append(f"{'':>12}{finding.reason}")
        return "\n".join(lines)

    def html(self) -> str:
        """One page that needs nothing else; see :mod:`connector_kit.checks.page`."""
        return page_of(self.title, self.unit, self.counts, self.findings, self.titles, datetime.now(UTC))

    def _repr_html_(self) -> str:
        """The page in a frame of its own: a notebook's styles and the page's leave each other alone."""
        return f'<iframe srcdoc="{escape(self.html())}" style="width:100%;height:40rem;border:0"></iframe>'
