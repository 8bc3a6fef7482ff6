"""What a source is filled with."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import pytest

from sandbox.data import Writer, create_every_type, fill_pgbench, run_pgbench


@pytest.fixture
def name(database):
    return urlsplit(database).path[1:]


def test_every_type(postgres, name):
    columns = create_every_type(postgres, name, rows=200)
    assert postgres.psql("SELECT count(*) FROM sandbox.every_type", name) == "200"
    assert len(columns) >= 60
    for column in columns:
        filled = postgres.psql(f"SELECT count({column.name}) FROM sandbox.every_type", name)
        assert int(filled) > 100, column.name
    columns_of_it = "FROM pg_attribute WHERE attrelid = 'sandbox.every_type'::regclass"
    types = postgres.psql(f"SELECT count(DISTINCT atttypid) {columns_of_it}", name)
    assert int(types) > 50


def test_pgbench(postgres, name):
    fill_pgbench(postgres, name, scale=1)
    assert run_pgbench(postgres, name, seconds=1, clients=2) > 0
    assert postgres.psql("SELECT count(*) FROM pgbench_accounts", name) == "100000"


def test_the_writer_commits_out_of_order(postgres, name, database):
    seen: list[str] = []
    late = 0
    with Writer(database, longest_transaction_s=0.3) as writer:
        begun = time.monotonic()
        while time.monotonic() - begun < 2:
            rows = postgres.psql("SELECT updated_at FROM sandbox.changing ORDER BY updated_at", name).splitlines()
            late += any(row < seen[-1] for row in set(rows) - set(seen)) if seen else 0
            seen = rows or seen
    assert writer.committed > 10
    assert late > 0
    quiet = postgres.psql("SELECT count(*), max(updated_at) FROM sandbox.changing", name)
    time.sleep(0.3)
    assert postgres.psql("SELECT count(*), max(updated_at) FROM sandbox.changing", name) == quiet


def test_a_failing_writer_says_so(postgres, name, database):
    writer = Writer(database).start()
    postgres.psql("DROP TABLE sandbox.changing CASCADE", name)
    time.sleep(0.3)
    with pytest.raises(RuntimeError, match="writer failed"):
        writer.stop()
