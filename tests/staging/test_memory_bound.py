"""Peak memory does not grow with the rows that pass through a session (I6)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PASS_THROUGH = """
import sys
import threading
import time
import polars as pl
import psutil
from pathlib import Path

import pytest
from contracts.staging import StagingContext
from staging.config import LocalStagingConfig
from staging.local import LocalStaging

peak, process = 0, psutil.Process()
def watch():
    global peak
    while True:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.005)
threading.Thread(target=watch, daemon=True).start()

provider = LocalStaging(LocalStagingConfig(path=Path(sys.argv[1]), part_bytes=4 * 2**20))
where = StagingContext(endpoint_id="e", unit_id="u", run_id="r", slice_key="s", sequence=0, attempt="1")
session = provider.allocate_session(where)
for number in range(int(sys.argv[2])):
    ids = pl.int_range(number * 100_000, (number + 1) * 100_000, eager=True)
    session.writer().write_batch(pl.DataFrame({"id": ids, "text": ids.cast(pl.String) + " some text"}))
handle = session.seal()
rows = sum(batch.height for batch in provider.open_session(handle).reader().iter_batches())
assert rows == handle.rows == int(sys.argv[2]) * 100_000
print(peak)
"""


def peak_bytes(folder: Path, batches: int) -> int:
    folder.mkdir()
    command = [sys.executable, "-c", PASS_THROUGH, str(folder), str(batches)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.slow
def test_ten_times_the_rows_take_the_same_memory(tmp_path):
    few, many = peak_bytes(tmp_path / "few", 10), peak_bytes(tmp_path / "many", 100)
    # 90 more batches are 350 MB of rows; the allowance is for the allocator.
    assert many - few < 64 * 2**20
