"""Several processes meet at one table that does not exist yet, count together, and are killed."""

import subprocess
import sys

import pytest

from state.table import open_table_store
from tests.conformance.kv_suite import key_of

PROCESSES = 4
INCREMENTS = 25

COUNT = """
import sys
from contracts.errors import CheckpointConflictError
from state.table import open_table_store
from tests.conformance.kv_suite import key_of

store, key = open_table_store(sys.argv[1]), key_of("counter")
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    while True:
        held = store.get(key)
        value, version = (held.value["n"], held.version) if held else (0, 0)
        try:
            store.put(key, {"n": value + 1}, version)
        except CheckpointConflictError:
            continue
        break
    print(value + 1, flush=True)
store.close()
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    return request.getfixturevalue("database")


@pytest.fixture
def start(url):
    """Starts processes that count at the URL; those still there after the test are killed and waited for."""
    started = []

    def start(increments):
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        started.append(subprocess.Popen([sys.executable, "-c", COUNT, url, str(increments)], text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        with process:
            process.kill()


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def test_processes_create_the_table_together_and_lose_no_increment(url, start):
    processes = [start(INCREMENTS) for _ in range(PROCESSES)]
    for process in processes:
        go(process)
    spoken = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, spoken
    store = open_table_store(url)
    assert store.get(key_of("counter")).value == {"n": PROCESSES * INCREMENTS}
    assert store.get(key_of("counter")).version == PROCESSES * INCREMENTS
    store.close()


def test_what_a_killed_process_had_written_is_there(url, start):
    process = start(1_000_000)
    go(process)
    for _ in range(30):
        last = int(process.stdout.readline())
    process.kill()
    last = max([last, *(int(line) for line in process.stdout.read().split("\n")[:-1])])
    process.communicate()
    store = open_table_store(url)
    assert store.get(key_of("counter")).value["n"] in {last, last + 1}
    assert store.put(key_of("counter"), {"n": 0}).version > last
    store.close()
