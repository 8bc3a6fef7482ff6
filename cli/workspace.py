"""How commands reach the control plane: registered endpoints and everything stored about them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from cli.terminal.interrupts import interruptible

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.wiring import Workspace

ResultT = TypeVar("ResultT")


def open_workspace() -> Workspace:
    """The workspace of the Prefect server in use; a context."""
    from flows import wiring

    _before_prefect()
    return wiring.open_workspace()


def in_workspace(work: Callable[[Workspace], ResultT]) -> ResultT:
    """The result of ``work`` over the workspace; Ctrl-C ends the waiting at once."""

    def inside() -> ResultT:
        with open_workspace() as workspace:
            return work(workspace)

    return interruptible(inside)


def _before_prefect() -> None:
    """What Prefect reads once, when it is imported: which server, and that log lines are for it, not the terminal."""
    from flows.prefect_api.client import name_local_server

    name_local_server()
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
