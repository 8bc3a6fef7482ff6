"""The root of all commands: whatever a command raises comes out as one block and an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from typer.core import TyperGroup

from cli.terminal.failures import Interrupted, report
from cli.terminal.redaction import redactor

if TYPE_CHECKING:
    from collections.abc import Sequence


class GuardedGroup(TyperGroup):
    """A group of commands that never shows a traceback or a password."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command; a bare Ctrl-C is kept from click, which would end without a word."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> Any:
        """Run and exit the process with the code that belongs to the outcome."""
        given = list(sys.argv[1:] if args is None else args)
        options = given[: given.index("--")] if "--" in given else given
        try:
            code = super().main(given, *more, **{**extra, "standalone_mode": False})
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - the last place that can make it readable, panics too
            code = report(error, redactor(given), as_json="--json" in options)
        sys.exit(code if isinstance(code, int) else 0)
