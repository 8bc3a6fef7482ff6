"""Proof of issue 14 for drives: full and incremental runs equal the truth, field by field, whatever happens."""

from __future__ import annotations

import random

import pytest

from sandbox.onedrive import DriveSite, SandboxOneDrive
from tests.connectors.onedrive.moving import UNITS, DriveIngestion, assert_equal

NEVER = {"census_every_s": 1e9, "max_delete_fraction": 1.0}
"""No census but the one that a plan decides on."""


@pytest.fixture
def graph():
    with SandboxOneDrive(DriveSite(drives=3, items=240)) as server:
        yield server


@pytest.fixture
def mover(graph, database):
    with DriveIngestion(graph, database) as moving:
        yield moving


def everything(mover: DriveIngestion, mode: str, *names: str, **policy) -> None:
    for name in names or UNITS:
        mover.run(name, mode if mode in mover.unit(name).supported_modes else "full", **policy)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rounds_of_changes_end_with_the_truth(seed, database):
    """Every kind of change by chance, and each incremental run ends equal."""
    rng = random.Random(seed)
    with (
        SandboxOneDrive(DriveSite(drives=3, items=150, seed=seed)) as server,
        DriveIngestion(server, database) as mover,
    ):
        everything(mover, "full")
        assert_equal(mover)
        for _ in range(2):
            server.site.churn(12, rng)
            everything(mover, "incremental", **NEVER)
            assert_equal(mover)
