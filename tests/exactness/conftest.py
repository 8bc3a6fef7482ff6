"""The executors under proof, and short waits between tries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flows.stages import retries
from tests.exactness.executors import QUICK_DELAYS_S

if TYPE_CHECKING:
    from tests.exactness.executors import ExecutorName


@pytest.fixture(params=["threads", pytest.param("prefect", marks=pytest.mark.prefect)])
def executor(request: pytest.FixtureRequest) -> ExecutorName:
    """Each proof runs on threads and on Prefect; for Prefect with a server that is running."""
    if request.param == "prefect":
        request.getfixturevalue("control_plane")
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of retries with its number of tries and shorter waits."""
    monkeypatch.setattr(retries, "DELAYS_S", QUICK_DELAYS_S)
