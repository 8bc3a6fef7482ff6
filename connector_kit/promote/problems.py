"""What keeps a notebook from being promoted: which cell, which line, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from contracts.errors import ConfigError, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterable


class PromotionRefusedError(Terminal, ConfigError):
    """A notebook cannot become modules as it is; ``facts["problems"]`` says what to change and where."""

    code = "E_PROMOTION_REFUSED"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing to change.

    Attributes:
        cell: Number of the cell among all cells of the notebook, from 1; 0 when no cell is at fault.
        line: Line in the cell, from 1; 0 for the cell as a whole.
        what: What is wrong.
        fix: What to do.
    """

    cell: int
    line: int
    what: str
    fix: str

    def __str__(self) -> str:
        place = [f"cell {self.cell}"] * bool(self.cell) + [f"line {self.line}"] * bool(self.line)
        return ": ".join(filter(None, [", ".join(place), self.what.rstrip("."), self.fix]))


class ProblemsFoundError(Exception):
    """Carries problems from where they are found to the caller of the promotion; never leaves this package."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def refusal(notebook: str, problems: Iterable[Problem]) -> PromotionRefusedError:
    """The error that the caller of a promotion sees: every problem once, in the order of the cells."""
    ordered = sorted(set(problems))
    return PromotionRefusedError(
        f"{notebook} is not promoted, and nothing was written:\n" + "\n".join(f"  {each}" for each in ordered),
        "Change the cells and promote again.",
        notebook=notebook,
        problems=[asdict(each) for each in ordered],
    )
