"""What a callback tells of a run that did not have its turn: its own error, and no other run's counts."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from contracts.receipts import RunRef
from flows.prefect_api.runs import Run
from metadata_api.results import result_of
from state.memory import MemoryKvStore
from state.units import UnitStates

REF = RunRef(endpoint_id="shop", unit_id="public.t", sink_id="lake")


@pytest.mark.parametrize(
    ("code", "retryable"), [("E_RUN_IN_PROGRESS", True), ("E_RUN_SUPERSEDED", False), ("E_NOBODY_KNOWS", False)]
)
def test_a_run_that_another_overlapped(code: str, retryable: bool) -> None:
    workspace: Any = SimpleNamespace(states=UnitStates(MemoryKvStore()))
    began = datetime.now(UTC)
    workspace.states.running(REF, "plan", UUID(int=1))
    workspace.states.succeeded(REF, "plan", {"rows_read": 7})
    now = datetime.now(UTC)
    message = f"{code}: It says so. Then do this."
    refused = Run("refused", "FAILED", "Failed", "", message, now, 1, REF.model_dump(), {}, (), began, now)
    told = result_of(workspace, refused)
    assert (told["stats"], told["checkpoint"], told["foldedInto"]) == (None, None, None)
    assert (told["error"]["code"], told["error"]["retryable"]) == (code, retryable)
