"""The benchmark's own profile: what a function spends is found where it was spent, and nothing is lost."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from benchmarks.cpu_profile import NATIVE, START, CpuProfile, place_of, table_of

HERE = "tests/benchmarks/test_cpu_profile.py"


def burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1_000))


def test_what_threads_spend_is_given_to_the_function_they_are_in():
    before = time.process_time()
    with CpuProfile() as profile:
        others = [threading.Thread(target=burn, args=(0.4,)) for _ in range(2)]
        for each in others:
            each.start()
        burn(0.4)
        for each in others:
            each.join()
    spent = time.process_time() - before
    found = profile.seconds[f"{HERE} burn"]
    assert 0.6 <= found <= spent + 0.1, "of 1.2 s; the last sample of each thread may be missed"
    assert sum(profile.seconds.values()) == pytest.approx(time.process_time(), abs=0.3)
    assert profile.seconds[START] >= 0


def test_a_place_is_our_innermost_function_and_the_library_in_it():
    assert place_of(sys._getframe()) == f"{HERE} test_a_place_is_our_innermost_function_and_the_library_in_it"
    seen: list[str] = []

    class Told:
        def __repr__(self) -> str:
            seen.append(place_of(sys._getframe(1)))
            return ""

    pytest.approx([Told()]).__repr__()
    assert seen[0].endswith(" > _pytest")


def test_the_table_leaves_nothing_out():
    table = table_of("a run", {"a": 1.0, "b": 2.0, NATIVE: 1.0}, most=1)
    where, seconds = (list(column.cells) for column in table.columns[:2])
    assert (where, seconds) == (["b", "all else"], ["2.00", "2.00"])
    assert table.title == "a run: 4.0 s of CPU"
