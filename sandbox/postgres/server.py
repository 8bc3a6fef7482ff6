"""A PostgreSQL server on loopback, from the binaries of a Python wheel: no system install, also as root."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import quote, urlencode

from sandbox.postgres import leftovers
from sandbox.postgres.files import ServerUser, reachable_binaries, reachable_folder, short_temp_folder
from sandbox.processes import LOOPBACK, end, free_port, on_owner_death
from sandbox.startable import Startable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUPERUSER = "postgres"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_FAST = {"fsync": "off", "full_page_writes": "off"}
# $1 data folder, $2 folder of socket and log, $3 postmaster; the data goes only where it lies inside $2.
_END_OF_OWNER = """
[ "$(head -n1 "$1/postmaster.pid")" = "$3" ] && kill -QUIT "$3" && sleep 2
case "$1/" in "$2"/*) rm -rf "$2" ;; *) rm -f "$2/server.log" "$2"/.s.*; rmdir "$2" ;; esac
"""
_STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class SandboxPostgres(Startable):
    """One server: UTF-8, UTC, TCP on 127.0.0.1 with scram-sha-256, trust only on its private socket.

    The server ends when the process that started it does, even when that one is killed.
    """

    def __init__(
        self,
        *,
        data_folder: Path | None = None,
        port: int | None = None,
        password: str | None = None,
        durable: bool = False,
        max_connections: int = 100,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the server; nothing starts yet.

        Args:
            data_folder: keep the data here from one start to the next. Without it the data is temporary and
                removed by `close`. If the user that runs the server cannot reach the folder (root's home), a
                fixed folder in the temp folder stands for it: see the attribute `data_folder`.
            port: TCP port; a free one by default. It stays the same over stop, start and restart.
            password: of the superuser `postgres`; random by default.
            durable: False turns fsync off: data survives a killed server, but not a machine that loses power.
            max_connections: as Postgres means it.
            settings: more server settings; they win over those above.
        """
        self.password = password or secrets.token_urlsafe(18)
        self._port = port
        self._user = ServerUser.current()
        self._binaries = reachable_binaries(self._user)
        self._folder = short_temp_folder(self._user)
        self.data_folder = reachable_folder((data_folder or self._folder / "data").resolve(), self._user)
        self._lock = leftovers.OwnerLock(self.data_folder)
        self._settings = {
            "max_connections": str(max_connections),
            **({} if durable else _FAST),
            **(settings or {}),
        }
        # Through the WAL (the default) every new database costs three times the work. A copy of files is followed by a
        # checkpoint, which is only cheap without fsync.
        self._copying = "wal_log" if durable else "file_copy"
        self._server: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; chosen when first asked for, then fixed."""
        if self._port is None:
            self._port = free_port()
        return self._port

    @property
    def pid(self) -> int:
        """The postmaster's process id; RuntimeError while the server is stopped."""
        if self._server is None:
            message = "the sandbox Postgres is not running: call start()"
            raise RuntimeError(message)
        return self._server.pid

    @property
    def running(self) -> bool:
        """Whether the server was started and its process lives."""
        return self._server is not None and self._server.poll() is None

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._folder / "server.log"

    def start(self) -> Self:
        """Start and wait until connections are accepted; does nothing when running.

        Whatever a killed earlier run left in the data folder (pid file, orphans) is cleared first.

        Raises:
            RuntimeError: the server did not come up (the message ends with its log), or another living
                process uses the same data folder.
        """
        if self.running:
            return self
        self._end_watch()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._user.own(self._folder)
        self._lock.take()
        leftovers.clear(self.data_folder)
        if not (self.data_folder / "PG_VERSION").exists():
            self._initialise()
        self._launch()
        self.psql(f"ALTER ROLE {SUPERUSER} PASSWORD '{self.password.replace(chr(39), chr(39) * 2)}'")
        return self

    def stop(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop, keep the data: `fast` ends sessions and checkpoints, `immediate` crashes."""
        if self._server is not None:
            if self._server.poll() is None:
                self._server.send_signal(_STOP_SIGNALS[mode])
            try:
                self._server.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                leftovers.clear(self.data_folder)
                self._server.wait()
            self._server = None
        self._end_watch()
        self._lock.free()

    def restart(self, mode: Literal["fast", "immediate"] = "fast") -> None:
        """Stop and start again on the same port with the same data."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Stop, and remove the temporary folder (a `data_folder` that was given stays)."""
        temporary = self.data_folder.is_relative_to(self._folder)
        self.stop("immediate" if temporary else "fast")
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str = "postgres", user: str | None = None, password: str | None = None) -> str:
        """A `postgresql://` URL over TCP; by default for the superuser and the right password."""
        secret = self.password if password is None else password
        account = f"{quote(user or SUPERUSER, safe='')}:{quote(secret, safe='')}"
        return f"postgresql://{account}@{LOOPBACK}:{self.port}/{quote(database, safe='')}"

    def socket_url(self, database: str = "postgres") -> str:
        """A URL over the private Unix socket: superuser, no password; for programs of this machine only."""
        query = urlencode({"host": str(self._folder), "port": self.port, "user": SUPERUSER})
        return f"postgresql:///{quote(database, safe='')}?{query}"

    def create_database(self, name: str) -> str:
        """Create an empty UTF-8 database of any name; returns its `url`. Fails if it exists."""
        quoted = name.replace('"', '""')
        self.psql(f'CREATE DATABASE "{quoted}" TEMPLATE template0 STRATEGY {self._copying}')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database and end the sessions in it; a missing one is fine."""
        quoted = name.replace('"', '""')
        self.psql(f'DROP DATABASE IF EXISTS "{quoted}" WITH (FORCE)')

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run SQL as superuser, stop at the first error; returns unaligned rows (`a|b`), one per line.

        Raises:
            RuntimeError: psql failed; the message is its output.
        """
        options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        command = [str(self.bin("psql")), *options, "-d", self.socket_url(database)]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            message = f"psql: {done.stderr.strip()}"
            raise RuntimeError(message)
        return done.stdout.removesuffix("\n")

    def bin(self, name: str) -> Path:
        """Path of a program of the same version: psql, pgbench, pg_dump, …; LookupError if there is none."""
        path = self._binaries / name
        if not path.exists():
            message = f"no program {name!r} in {self._binaries}"
            raise LookupError(message)
        return path

    def _initialise(self) -> None:
        where = ["-D", str(self.data_folder), "-U", SUPERUSER, "-E", "UTF8", "--no-sync"]
        locale = ["--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        access = ["--auth-local=trust", "--auth-host=scram-sha-256"]
        # A killed initdb leaves a folder that the next one refuses.
        for entry in self.data_folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        done = self._user.run([str(self.bin("initdb")), *where, *locale, *access], cwd=self._folder)
        if done.returncode != 0:
            message = f"initdb: {done.stderr.strip()}"
            raise RuntimeError(message)

    def _launch(self) -> None:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(self._folder),
            "timezone": "UTC",
            "log_timezone": "UTC",
            **self._settings,
        }
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.bin("postgres")), "-D", str(self.data_folder), *flags]
        self._server = self._user.start(command, cwd=self._folder, log=self.log)
        places = (str(self.data_folder), str(self._folder), str(self._server.pid))
        self._watch = on_owner_death(_END_OF_OWNER, *places)
        self._await_ready(self._server)

    def _await_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._says_ready(server.pid):
            if server.poll() is not None or time.monotonic() > deadline:
                self.stop("immediate")
                message = f"Postgres did not start: {self.log.read_text(errors='replace')[-2000:]}"
                raise RuntimeError(message)
            time.sleep(0.02)

    def _says_ready(self, pid: int) -> bool:
        # Line 1 of the pid file is the postmaster's pid, line 8 its state.
        try:
            lines = (self.data_folder / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() in {"ready", "standby"}

    def _end_watch(self) -> None:
        if self._watch is not None:
            end(self._watch)
            self._watch = None
