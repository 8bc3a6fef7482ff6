"""Typed errors as a person reads them: what happened, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_kit.drawing.table import record
from connector_kit.drawing.values import TableCell, code, words
from contracts.errors import IngestionError, OutcomeUnknown, Retriable, Skippable, Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from connector_kit.drawing.drawing import Drawing

_RECOVERY: Mapping[type[Any], str] = {
    Retriable: "the same call may succeed later",
    OutcomeUnknown: "it may have happened: the receipts know",
    Skippable: "this unit cannot continue, others can",
    Terminal: "somebody has to change something first",
}


def error(raised: IngestionError) -> Drawing:
    """A typed error: its stable code, its words, its facts."""
    recovery = next((advice for kind, advice in _RECOVERY.items() if isinstance(raised, kind)), "")
    facts = "; ".join(f"{name}: {words(value)}" for name, value in raised.facts.items())
    rows = {
        "code": code(raised.code),
        "what": TableCell(raised.what, wrap=True),
        "do next": TableCell(raised.next_step, wrap=True),
        "recovery": recovery,
        **({"facts": TableCell(facts, wrap=True)} if facts else {}),
    }
    return record(rows, title=type(raised).__name__)


def refused(attempt: Callable[[], Any]) -> Drawing:
    """Do what must be refused, and show how it is.

    Raises:
        AssertionError: It was not refused.
    """
    try:
        attempt()
    except IngestionError as raised:
        return error(raised)
    raise AssertionError("this should have been refused, and was not")
