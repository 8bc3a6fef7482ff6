"""Metadata is refreshed ahead of need, by one thread, and never kept across a change made through this API."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, cast

import pytest

from contracts.unit import UnitConfig
from metadata_api.metadata_cache import KEEP_CONFIGS_S, SOON, MetadataCache
from tests.cli.in_memory_workspace import InMemoryWorkspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flows.wiring import Workspace


class Units:
    """Configs of one endpoint; a reading can be held up."""

    def __init__(self) -> None:
        self.reads, self.enabled = 0, True
        self.before_answer: Callable[[], object] = lambda: None

    def list(self, endpoint_id: str) -> tuple[UnitConfig, ...]:
        self.reads += 1
        found = (UnitConfig(endpoint_id=endpoint_id, unit_id="t", enabled=self.enabled),)
        self.before_answer()
        return found


class ConfigWorkspace:
    def __init__(self) -> None:
        self.units = Units()


class ManualClock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def units() -> Units:
    return Units()


@pytest.fixture
def cache(units: Units, clock: ManualClock) -> MetadataCache:
    workspace: Any = ConfigWorkspace()
    workspace.units = units
    return MetadataCache(cast("Workspace", workspace), clock=clock)


def test_a_young_entry_is_not_read_again_and_an_old_one_is(
    cache: MetadataCache, units: Units, clock: ManualClock
) -> None:
    cache.config("shop", "t")
    clock.now += KEEP_CONFIGS_S * SOON - 0.01
    units.enabled = False
    assert cache.config("shop", "t").enabled
    clock.now += KEEP_CONFIGS_S
    assert not cache.config("shop", "t").enabled
    assert units.reads == 2


def test_one_reads_ahead_while_the_others_go_on_with_what_is_held(
    cache: MetadataCache, units: Units, clock: ManualClock
) -> None:
    cache.config("shop", "t")
    clock.now += KEEP_CONFIGS_S * SOON + 0.01
    reading, go_on = Event(), Event()
    units.before_answer = lambda: (reading.set(), go_on.wait(10))
    ahead = Thread(target=cache.config, args=("shop", "t"))
    ahead.start()
    assert reading.wait(10)
    assert cache.config("shop", "t").enabled, "answered although the reading has not ended"
    assert units.reads == 2
    go_on.set()
    ahead.join(10)
    cache.config("shop", "t")
    assert units.reads == 2


def test_nobody_goes_on_with_what_is_too_old(cache: MetadataCache, units: Units, clock: ManualClock) -> None:
    cache.config("shop", "t")
    clock.now += KEEP_CONFIGS_S + 0.01
    units.enabled = False
    reading, go_on = Event(), Event()
    units.before_answer = lambda: (reading.set(), go_on.wait(10))
    answers: list[bool] = []
    threads = [Thread(target=lambda: answers.append(cache.config("shop", "t").enabled)) for _ in range(3)]
    [each.start() for each in threads]
    assert reading.wait(10)
    assert answers == []
    go_on.set()
    [each.join(10) for each in threads]
    assert answers == [False] * 3
    assert units.reads == 2, "one reads, the others wait for it"


def test_what_was_read_before_a_change_is_not_kept_after_it(cache: MetadataCache, units: Units) -> None:
    units.before_answer = cache.forget  # somebody changes the unit while it is being read
    assert cache.config("shop", "t").enabled
    units.before_answer, units.enabled = (lambda: None), False
    assert not cache.config("shop", "t").enabled


def test_the_units_of_a_first_collection_are_there_as_soon_as_it_ended(tmp_path: Path, clock: ManualClock) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as source:
        source.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    workspace = InMemoryWorkspace(tmp_path)
    workspace.endpoints.add("shop", "jdbc.sqlite", {"path": str(tmp_path / "shop.db")})
    cache = MetadataCache(workspace, clock=clock)
    assert not cache.endpoint("shop").units
    workspace.catalogs.save(workspace.source("shop").collect_catalog("shop"))
    assert [*cache.endpoint("shop").units] == ["main.orders"]
