"""How a command ends when it does not end well: one readable block, or one JSON object, and an exit code.

===  ============================================
0    it did what was asked
1    a fault in Nucleus itself
2    the command line was wrong
3    a typed ingestion error
130  interrupted; nothing is half-done
===  ============================================
"""

from __future__ import annotations

import io
import json
import os
import traceback
from typing import TYPE_CHECKING, Any

import typer

from contracts.errors import IngestionError

if TYPE_CHECKING:
    from collections.abc import Callable

FAULT, USAGE, INGESTION, INTERRUPTED = 1, 2, 3, 130
UsageError: type[Any] = typer.BadParameter.__base__  # type: ignore[assignment]  # click's, wherever typer keeps click
TRACEBACK = "NUCLEUS_TRACEBACK"


class Interrupted(Exception):  # noqa: N818 - a signal, not an error
    """Somebody pressed Ctrl-C and the work has ended; the text says what can be done now."""


def report(error: BaseException, redact: Callable[[str], str], *, as_json: bool) -> int:
    """Print what happened, secrets removed; returns the exit code."""
    code, facts = _described(error)
    if as_json:
        typer.echo(redact(json.dumps({"error": facts}, default=str)))
    elif isinstance(error, UsageError):
        typer.echo(redact(_usage_text(error)), err=True)
    else:
        _print_block(redact, facts)
    if code == FAULT and os.environ.get(TRACEBACK):
        typer.echo(redact("".join(traceback.format_exception(error))), err=True)
    return code


def _described(error: BaseException) -> tuple[int, dict[str, Any]]:
    if isinstance(error, IngestionError):
        return INGESTION, error.to_json()
    if isinstance(error, UsageError):
        return USAGE, _facts("E_USAGE", error.format_message(), "Add --help to see how the command is used.")
    if isinstance(error, Interrupted | typer.Abort):
        return INTERRUPTED, _facts("E_INTERRUPTED", "Interrupted", str(error) or "Run the same command again.")
    what = f"{type(error).__name__}: {error}"
    return FAULT, _facts("E_FAULT", what, f"This is a fault in Nucleus; {TRACEBACK}=1 shows where. Please report it.")


def _facts(code: str, message: str, hint: str) -> dict[str, Any]:
    return {"code": code, "message": message, "hint": hint, "retryable": code == "E_INTERRUPTED", "facts": {}}


def _print_block(redact: Callable[[str], str], facts: dict[str, Any]) -> None:
    typer.secho(facts["code"], fg="red", bold=True, err=True, nl=False)
    typer.echo(redact(f": {facts['message'].rstrip('.')}."), err=True)
    if facts["hint"]:
        typer.echo(redact(f"  Next: {facts['hint']}"), err=True)


def _usage_text(error: Any) -> str:
    text = io.StringIO()
    error.show(file=text)
    return text.getvalue().rstrip()
