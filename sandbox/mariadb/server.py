"""A MariaDB server on loopback from the installed package (Debian: ``mariadb-server-core``, ``mariadb-client-core``).

Its data folder is a copy of one that is initialised once. The binary log is on, so that several connections can tell
whether they see the same moment. What was committed survives a killed server, but not a machine that loses power.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import quote

import pymysql

from sandbox.processes import LOOPBACK, end, free_port, on_owner_death
from sandbox.startable import Startable

if TYPE_CHECKING:
    from collections.abc import Mapping

SUPERUSER = "root"
_SERVER, _INSTALL = "mariadbd", "mariadb-install-db"
_NEEDED = (_SERVER, _INSTALL, "my_print_defaults")
_START_TIMEOUT_S, _STOP_TIMEOUT_S = 60.0, 30.0
_SETTINGS = {
    "log-bin": "binlog", "server-id": "1", "sync-binlog": "0", "innodb-flush-log-at-trx-commit": "2",
    "innodb-buffer-pool-size": "48M", "key-buffer-size": "1M", "aria-pagecache-buffer-size": "4M",
    "max-connections": "150", "character-set-server": "utf8mb4", "skip-name-resolve": "1",
}  # fmt: skip


class SandboxMariaDb(Startable):
    """One server: TCP on 127.0.0.1 with passwords. It ends when the process that started it does, however that ends."""

    def __init__(self, *, settings: Mapping[str, str] | None = None) -> None:
        """Describe the server; nothing starts yet.

        Args:
            settings: More server settings; they win over our own.
        """
        self.password = secrets.token_urlsafe(18)
        self.port = free_port()
        self._settings = {**_SETTINGS, **(settings or {})}
        self._folder: Path | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str | None:
        """Why no server can be started here, in a sentence; None when one can."""
        lacking = [name for name in _NEEDED if _program(name) is None]
        packages = "apt-get install mariadb-server-core mariadb-client-core"
        return f"MariaDB is not installed ({', '.join(lacking)}): {packages}" if lacking else None

    @property
    def folder(self) -> Path:
        """Holds the data, the socket and the log; RuntimeError before the first start."""
        if self._folder is None:
            message = "the sandbox MariaDB was never started: call start()"
            raise RuntimeError(message)
        return self._folder

    def start(self) -> Self:
        """Start and wait until connections are accepted; does nothing when running.

        Raises:
            RuntimeError: The package is missing, or the server did not come up.
        """
        if self._server is not None and self._server.poll() is None:
            return self
        if (why := self.missing()) is not None:
            raise RuntimeError(why)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="nucleus-mariadb-"))
            shutil.copytree(_template() / "data", self._folder / "data")
        self._write_accounts()
        flags = [f"--{name}={value}" for name, value in self._settings.items()]
        with (self.folder / "log").open("ab") as log:
            command = [*_command(self.folder), f"--port={self.port}", f"--bind-address={LOOPBACK}", *flags]
            self._server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._watch = on_owner_death('kill -9 "$1"; sleep 1; rm -rf "$2"', str(self._server.pid), str(self.folder))
        self._await_ready(self._server)
        return self

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop, keep the data: ``fast`` ends sessions and flushes, ``immediate`` kills."""
        if self._watch is not None:
            # Its pipe stays open until it is gone: a watch that reads the end would kill a process of the same id.
            self._watch.kill()
            end(self._watch)
            self._watch = None
        if self._server is not None:
            if mode == "immediate":
                self._server.kill()
            end(self._server, _STOP_TIMEOUT_S)
            self._server = None

    def close(self) -> None:
        """Stop, and remove the data. Harmless when stopped."""
        self.stop("immediate")
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def url(self, database: str = "", user: str | None = None, password: str | None = None) -> str:
        """A ``mysql://`` URL over TCP; by default for the superuser and the right password."""
        secret = self.password if password is None else password
        account = f"{quote(user or SUPERUSER, safe='')}:{quote(secret, safe='')}"
        return f"mysql://{account}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def connect(self, database: str | None = None) -> pymysql.connections.Connection[Any]:
        """A connection of the superuser in autocommit; close it when done."""
        return pymysql.connect(
            host=LOOPBACK,
            port=self.port,
            user=SUPERUSER,
            password=self.password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
        )

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as the superuser, each committed at once; returns the rows of the last one."""
        with closing(self.connect(database)) as connection, closing(connection.cursor()) as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def create_database(self, name: str) -> str:
        """Create an empty database of any name; returns its `url`. Fails if it exists."""
        self.run(f"CREATE DATABASE {_ident(name)}")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database; a missing one is fine."""
        self.run(f"DROP DATABASE IF EXISTS {_ident(name)}")

    def _write_accounts(self) -> None:
        lines = [
            f"CREATE OR REPLACE USER '{SUPERUSER}'@'{host}' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO '{SUPERUSER}'@'{host}' WITH GRANT OPTION;\n"
            for host in ("localhost", LOOPBACK)
        ]
        path = self.folder / "accounts.sql"
        path.touch(mode=0o600)
        path.write_text("".join(lines))

    def _await_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while server.poll() is None and time.monotonic() < deadline:
            with suppress(pymysql.Error):
                self.run("SELECT 1")
                return
            time.sleep(0.02)
        said = (self.folder / "log").read_bytes()[-2000:].decode(errors="replace")
        self.stop("immediate")
        message = f"MariaDB did not start: {said}"
        raise RuntimeError(message)


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


def _command(folder: Path) -> list[str]:
    user = [f"--user={SUPERUSER}"] if os.getuid() == 0 else []
    places = [f"--datadir={folder / 'data'}", f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"]
    return [str(_program(_SERVER)), "--no-defaults", *user, *places, f"--init-file={folder / 'accounts.sql'}"]


def _template() -> Path:
    """An initialised data folder, made once for each user and version: it takes seconds, and a copy of it none.

    It stays in the temporary folder; whoever makes it at the same time as another keeps the other's.
    """
    server = Path(str(_program(_SERVER))).stat()
    place = Path(tempfile.gettempdir()) / f"nucleus-mariadb-{os.getuid()}-{int(server.st_mtime)}-{server.st_size}"
    if not place.exists():
        made = Path(tempfile.mkdtemp(prefix="nucleus-mariadb-template-"))
        try:
            _initialise(made / "data")
            made.rename(place)
        except OSError:
            if not place.exists():
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    if place.is_symlink() or place.stat().st_uid != os.getuid():
        message = f"{place} is somebody else's: remove it"
        raise RuntimeError(message)
    return place


def _initialise(data: Path) -> None:
    how = ["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"]
    command = [str(_program(_INSTALL)), *how, f"--datadir={data}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"{_INSTALL}: {done.stdout[-1000:]}{done.stderr[-1000:]}"
        raise RuntimeError(message)


def _ident(name: str) -> str:
    return f"`{name.replace('`', '``')}`"
