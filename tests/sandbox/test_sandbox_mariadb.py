from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.mariadb import SandboxMariaDb
from tests.selection import require_mariadb

pytestmark = pytest.mark.mariadb
OWNER = """
import sys, time
from sandbox.mariadb import SandboxMariaDb
server = SandboxMariaDb().start()
print(server.folder, flush=True)
time.sleep(600)
"""


def test_data_outlives_a_crash_but_not_the_end():
    require_mariadb()
    with SandboxMariaDb() as server:
        server.create_database("odd `name`")
        server.run("CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t VALUES (1)", database="odd `name`")
        server.stop("immediate")
        server.start()
        assert server.run("SELECT id FROM t", database="odd `name`") == [(1,)]
        server.drop_database("odd `name`")
        folder = server.folder
    assert not folder.exists()


def test_it_ends_when_its_owner_is_killed():
    require_mariadb()
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        folder = Path(owner.stdout.readline().strip())
        pid = int((folder / "pid").read_text())
        os.kill(owner.pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while folder.exists() or Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the server outlives its owner"
        time.sleep(0.05)
