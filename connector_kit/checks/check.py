"""What a check is, and what it says in the end."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from connector_kit.checks.context import CheckContext

Verdict = Literal["passed", "failed", "untried", "skipped", "excepted"]
"""``untried``: another test system could try it; ``skipped``: there is nothing to try; ``excepted``: it failed or is
untried, and the test system names the reason."""
TRY_IT = "Rows depend on it: let the test system try it, or write in its `exceptions` why it cannot."
CORE = frozenset({"plan", "schema", "rows", "pages", "incremental", "state", "resume", "errors"})
"""Groups on which rows depend: what is untried there is no promise kept."""


@dataclass(frozen=True)
class CheckObservation:
    """What a check saw. One plain sentence each.

    Attributes:
        passed: What came back is what was expected.
        sent: What the system did, or what was asked of the connector.
        received: What the connector made of it.
        expected: What it should have made of it.
    """

    passed: bool
    sent: str
    received: str
    expected: str


def passed(sent: str, received: str, expected: str) -> CheckObservation:
    """It is as it should be."""
    return CheckObservation(passed=True, sent=sent, received=received, expected=expected)


def failed(sent: str, received: str, expected: str) -> CheckObservation:
    """It is not."""
    return CheckObservation(passed=False, sent=sent, received=received, expected=expected)


@dataclass(frozen=True)
class Check:
    """One promise, tried.

    Attributes:
        check_id: ``<group>.<name>``; stays the same for ever.
        title: The promise in one line.
        protects: Which of the house's truths it guards (``I1`` …).
        run: Tries it.
    """

    check_id: str
    title: str
    protects: str
    run: Callable[[CheckContext], CheckObservation]


@dataclass
class Group:
    """Checks that belong together."""

    name: str
    title: str
    checks: list[Check] = field(default_factory=list)

    def check(
        self, name: str, title: str, protects: str
    ) -> Callable[[Callable[[CheckContext], CheckObservation]], Any]:
        """Register the function as a check of this group."""

        def register(run: Callable[[CheckContext], CheckObservation]) -> Callable[[CheckContext], CheckObservation]:
            self.checks.append(Check(f"{self.name}.{name}", title, protects, run))
            return run

        return register


@dataclass(frozen=True)
class CheckResult:
    """What became of a check.

    Attributes:
        reason: Of a check that was skipped, untried or excepted.
    """

    check: str
    group: str
    title: str
    protects: str
    verdict: Verdict
    sent: str = ""
    received: str = ""
    expected: str = ""
    reason: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether a connector with this result is fine."""
        return self.verdict != "failed" and not (self.verdict == "untried" and self.group in CORE)

    def to_json(self) -> dict[str, Any]:
        """All fields, and ``good``."""
        return {**asdict(self), "good": self.good}
