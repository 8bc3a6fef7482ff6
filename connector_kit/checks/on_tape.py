"""A test system on recorded traffic: the checks without the system, without a network and without credentials."""

from __future__ import annotations

from typing import Any

from connector_kit.checks.system import TestSystem
from connector_kit.recording.cassette import Cassette
from connector_kit.recording.places import CHECKS

NEEDS_WRITING = (
    "incremental.equals-full", "incremental.reads-less", "incremental.at-watermark", "incremental.overlap",
    "incremental.moved", "incremental.changed-meanwhile", "incremental.removed", "incremental.removed-meanwhile",
    "state.not-ahead", "state.future-row",
)  # fmt: skip
"""Core checks that cannot be made without a hook that writes."""


class OnTape(TestSystem):
    """A test system that answers from what ``nucleus connector record`` kept. Name it before the class it stands for.

    ::

        class AcmeTapeTestSystem(OnTape, AcmeTestSystem):
            connector = "acme"

    Checks that need a change of the system are excepted, no others. Its ``config()`` needs no real credentials.

    Attributes:
        connector: Whose recording.
    """

    connector: str
    repeatable = True
    exceptions = dict.fromkeys(NEEDS_WRITING, "recorded traffic cannot be changed")

    def __init__(self) -> None:
        super().__init__()
        self.tape = Cassette.of(self.connector, CHECKS)

    def reset(self) -> None:
        """It is as it was."""

    def close(self) -> None:
        """Nothing is open."""

    def keys(self) -> set[str]:
        """Not known: nobody asks the system itself."""
        return TestSystem.keys(self)

    def true_rows(self) -> dict[str, dict[str, Any]]:
        """Not known either."""
        return {}

    def change(self, count: int) -> set[str]:
        """No."""
        return TestSystem.change(self, count)

    def change_late(self, seconds: float) -> str:
        """No."""
        return TestSystem.change_late(self, seconds)

    def remove(self) -> str:
        """No."""
        return TestSystem.remove(self)

    def grow(self, rows: int) -> None:
        """No."""
        TestSystem.grow(self, rows)
