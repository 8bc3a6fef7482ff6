"""A real Postgres and a real S3: one server each per process of tests, a fresh database or bucket per test."""

from __future__ import annotations

import gc
import os
from functools import cache
from itertools import count
from typing import TYPE_CHECKING

import botocore.session
import pytest
from hypothesis import HealthCheck, settings

from sandbox.mariadb import SandboxMariaDb
from sandbox.postgres import SandboxPostgres
from sandbox.s3 import SandboxS3
from tests.control_plane import control_plane
from tests.scratch import pytest_configure, pytest_sessionfinish
from tests.selection import _only_marked_tests_start_servers, pytest_collection_modifyitems, require_mariadb
from tests.waiting import _no_process_is_left

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "_no_process_is_left",
    "_only_marked_tests_start_servers",
    "control_plane",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_sessionfinish",
]

# The database that servers of the tests begin with has Prefect's own block types (tests/prefect_template.py).
os.environ.setdefault("PREFECT_API_BLOCKS_REGISTER_ON_START", "false")
_numbers = count(1)

# Every client of S3 reads the descriptions of the service anew, most of what a client costs; tests make hundreds.
botocore.session.create_loader = cache(botocore.session.create_loader)

# How long an example takes depends on what else the machine does: no test of ours asserts it.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """Libraries and collected tests last as long as the process: the garbage collector need not walk them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Iterator[SandboxPostgres]:
    """A running server with fsync off. Tests that stop or break a server start their own."""
    with SandboxPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[SandboxMariaDb]:
    """A running server with a binary log."""
    require_mariadb()
    with SandboxMariaDb() as server:
        yield server


@pytest.fixture
def database(postgres: SandboxPostgres) -> Iterator[str]:
    """The URL of an empty database, dropped after the test."""
    yield from _fresh_database(postgres, "database")


@pytest.fixture
def two_databases(postgres: SandboxPostgres) -> Iterator[tuple[str, str]]:
    """The URLs of an empty source and an empty sink database, dropped after the test."""
    for source in _fresh_database(postgres, "source"):
        for sink in _fresh_database(postgres, "sink"):
            yield source, sink


@pytest.fixture(scope="session")
def s3() -> Iterator[SandboxS3]:
    """A running S3 server that refuses all but its own access key."""
    with SandboxS3() as server:
        yield server


@pytest.fixture
def bucket(s3: SandboxS3) -> str:
    """The name of an empty bucket."""
    return s3.create_bucket(f"bucket-{next(_numbers)}")


def _fresh_database(postgres: SandboxPostgres, role: str) -> Iterator[str]:
    name = f"{role}_{next(_numbers)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)
