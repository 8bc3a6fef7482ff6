"""The scorecard: what became of every check, as JSON, as a short table, as a page."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, get_args

from connector_kit.checks.check import TRY_IT, Verdict
from connector_kit.checks.scorecard_html import page_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connector_kit.checks.check import CheckResult

_SIGNS = {"passed": "ok", "failed": "FAILED", "untried": "UNTRIED", "skipped": "skipped", "excepted": "excepted"}


@dataclass(frozen=True)
class Scorecard:
    """What became of the checks of one connector.

    Attributes:
        title: Of the connector.
        unit: Template and unit.
        results: In the order of the checks.
        titles: Of groups, by name.
    """

    title: str
    unit: str
    results: tuple[CheckResult, ...]
    titles: Mapping[str, str]

    @property
    def good(self) -> bool:
        """Whether no check failed, and no core check stayed untried without a written exception."""
        return all(result.good for result in self.results)

    @property
    def counts(self) -> dict[Verdict, int]:
        """Findings of each verdict."""
        counted = Counter(result.verdict for result in self.results)
        return {verdict: counted[verdict] for verdict in get_args(Verdict)}

    def json(self) -> str:
        """Shape: ``{connector, unit, good, counts, seconds, findings: [...]}``."""
        document = {
            "connector": self.title,
            "unit": self.unit,
            "good": self.good,
            "counts": self.counts,
            "seconds": round(sum(result.seconds for result in self.results), 3),
            "findings": [result.to_json() for result in self.results],
        }
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def text(self) -> str:
        """One line a check; what is not passed says why."""
        counts = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        lines = [f"{self.title} ({self.unit}): {counts}"]
        for result in self.results:
            lines.append(f"  {_SIGNS[result.verdict]:<8} {result.check:<28} {result.title}")
            if result.verdict == "failed":
                names = ("sent", "received", "expected")
                lines += [f"{'':>12}{name}: {value}" for name in names if (value := getattr(result, name))]
            if result.reason:
                lines.append(f"{'':>12}{result.reason}")
            if result.verdict == "untried" and not result.good:
                lines.append(f"{'':>12}{TRY_IT}")
        return "\n".join(lines)

    def html(self) -> str:
        """One page that needs nothing else; see :mod:`connector_kit.checks.scorecard_html`."""
        return page_of(self.title, self.unit, self.counts, self.results, self.titles, datetime.now(UTC))

    def _repr_html_(self) -> str:
        """The page in a frame of its own: a notebook's styles and the page's leave each other alone."""
        return f'<iframe srcdoc="{escape(self.html())}" style="width:100%;height:40rem;border:0"></iframe>'
