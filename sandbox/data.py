"""What a sandbox source is filled with: pgbench's tables, every type, a table that keeps changing."""

from __future__ import annotations

import random
import subprocess
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Self

from adbc_driver_postgresql import dbapi

from sandbox.every_type import TypedColumn, create_every_type
from sandbox.startable import Startable

if TYPE_CHECKING:
    from sandbox.postgres import SandboxPostgres

__all__ = ["TypedColumn", "Writer", "create_every_type", "fill_pgbench", "run_pgbench"]

CHANGING = "sandbox.changing"
_CHANGING = f"""
CREATE SCHEMA IF NOT EXISTS sandbox;
CREATE TABLE IF NOT EXISTS {CHANGING} (
    id bigint PRIMARY KEY,
    name text,
    amount numeric(12,2),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE SEQUENCE IF NOT EXISTS sandbox.changing_id OWNED BY {CHANGING}.id;
CREATE INDEX IF NOT EXISTS changing_updated_at ON {CHANGING} (updated_at);
"""


def fill_pgbench(postgres: SandboxPostgres, database: str, scale: int) -> None:
    """Create and fill pgbench's four tables: `scale` times 100,000 accounts. What was there is replaced.

    Raises:
        RuntimeError: pgbench failed; the message is its output.
    """
    _pgbench(postgres, database, "-i", "-q", "-s", str(scale))


def run_pgbench(postgres: SandboxPostgres, database: str, seconds: int, clients: int) -> int:
    """Let pgbench's own mix of updates and inserts work; returns the number of transactions.

    Raises:
        RuntimeError: pgbench failed; the message is its output.
    """
    report = _pgbench(postgres, database, "-n", "-T", str(seconds), "-c", str(clients))
    counts = [line for line in report.splitlines() if line.startswith("number of transactions actually processed")]
    return int(counts[0].split(":")[1].split("/")[0])


def _pgbench(postgres: SandboxPostgres, database: str, *arguments: str) -> str:
    command = [str(postgres.bin("pgbench")), *arguments, postgres.socket_url(database)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        message = f"pgbench: {done.stderr.strip()}"
        raise RuntimeError(message)
    return done.stdout


class Writer(Startable):
    """Keeps changing `sandbox.changing` from several connections until stopped.

    Shape of the table: `(id bigint primary key, name text, amount numeric(12,2), updated_at timestamptz)`.
    Each transaction inserts and updates a few rows, stamps them with `clock_timestamp()`, then stays open for
    a random while, so that rows become visible in another order than their `updated_at` says. Each connection
    updates only the ids it inserted, so none waits for another.
    """

    def __init__(self, url: str, *, connections: int = 3, longest_transaction_s: float = 0.5, seed: int = 0) -> None:
        """Describe the writer; `start` creates the table where it is missing."""
        self._url = url
        self._count = connections
        self._longest_s = longest_transaction_s
        self._seed = seed
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._committed = 0
        self._failure: Exception | None = None

    @property
    def committed(self) -> int:
        """Transactions committed so far."""
        with self._lock:
            return self._committed

    def start(self) -> Self:
        """Create the table and begin to write."""
        with (
            closing(dbapi.connect(self._url, autocommit=True)) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.executescript(_CHANGING)
        self._stop.clear()
        self._threads = [threading.Thread(target=self._work, args=(lane,), daemon=True) for lane in range(self._count)]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Let every open transaction commit, then end. Harmless when stopped.

        Raises:
            RuntimeError: a connection failed meanwhile (the cause is attached).
        """
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._threads = []
        if self._failure is not None:
            failure, self._failure = self._failure, None
            message = "the sandbox writer failed"
            raise RuntimeError(message) from failure

    def close(self) -> None:
        """Stop; raises what :meth:`stop` raises."""
        self.stop()

    def _work(self, lane: int) -> None:
        chance = random.Random(self._seed * 1000 + lane)  # noqa: S311 - repeatable, not secret
        try:
            with closing(dbapi.connect(self._url)) as connection:
                while not self._stop.is_set():
                    self._transaction(connection, lane, chance)
        except Exception as error:  # noqa: BLE001 - handed to whoever calls stop
            self._failure = error

    def _transaction(self, connection: dbapi.Connection, lane: int, chance: random.Random) -> None:
        with closing(connection.cursor()) as cursor:
            own = f"SELECT id FROM {CHANGING} WHERE name = 'lane {lane}'"
            cursor.execute(
                f"INSERT INTO {CHANGING} (id, name, amount) "
                f"SELECT nextval('sandbox.changing_id'), 'lane {lane}', (random() * 1000)::numeric(12,2) "
                f"FROM generate_series(1, {chance.randint(1, 5)})"
            )
            cursor.execute(
                f"UPDATE {CHANGING} SET amount = amount + 1, updated_at = clock_timestamp() WHERE id IN "
                f"({own} ORDER BY random() LIMIT {chance.randint(0, 3)})"
            )
        # Mostly short, sometimes long: cubed, a third of the transactions stay under 4 % of the longest.
        self._stop.wait(self._longest_s * chance.random() ** 3)
        connection.commit()
        with self._lock:
            self._committed += 1
