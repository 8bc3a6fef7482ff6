"""Proof of issue 14, "Done when" 1: full and incremental runs equal the site's truth, whatever the site does."""

from __future__ import annotations

import random

import pytest

from sandbox.confluence import ConfluenceFaults, ConfluenceSite, SandboxConfluence
from tests.connectors.confluence.moving import UNITS, ConfluenceIngestion, assert_equal


@pytest.fixture
def wiki():
    with SandboxConfluence(ConfluenceSite(pages=120)) as server:
        yield server


@pytest.fixture
def mover(wiki, database):
    moving = ConfluenceIngestion(wiki, database)
    yield moving
    moving.close()


def everything(mover: ConfluenceIngestion, mode: str, **policy) -> None:
    for name in UNITS:
        mover.run(name, mode, **policy)


def test_full_then_incremental(wiki, mover):
    """Every unit, after a full run and after incremental ones over changes of every kind."""
    everything(mover, "full")
    assert_equal(mover)
    chance = random.Random(3)
    for _ in range(3):
        wiki.site.advance(3600)
        wiki.site.churn(40, chance)
        everything(mover, "incremental", census_every_s=0)
        assert_equal(mover)
