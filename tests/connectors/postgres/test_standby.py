"""A hot standby as the source: full runs read it, incremental runs refuse it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contracts.errors import ModeUnsupportedError
from contracts.unit import UnitPolicy
from sandbox.postgres import SandboxPostgres
from tests.exactness.moving import Mover, Pair, assert_equal, drop_pair, new_pair, open_source

if TYPE_CHECKING:
    from collections.abc import Iterator


class Standby(SandboxPostgres):
    """A server that follows another one and takes readers."""

    def __init__(self, primary: SandboxPostgres) -> None:
        super().__init__(password=primary.password)
        self._primary = primary

    def _initialise(self) -> None:
        copy = [str(self.bin("pg_basebackup")), "-D", str(self.data_folder), "-R", "-c", "fast", "--no-sync"]
        done = self._user.run([*copy, "-d", self._primary.socket_url()], cwd=self._folder)
        assert done.returncode == 0, done.stderr

    def psql(self, sql: str, database: str = "postgres") -> str:
        return "" if sql.startswith("ALTER ROLE") else super().psql(sql, database)


@pytest.fixture
def pair() -> Iterator[Pair]:
    with SandboxPostgres() as primary:
        made = new_pair(primary, rows=1000)
        yield made
        drop_pair(made)


def test_a_standby_is_read_whole_and_refused_for_increments(pair: Pair) -> None:
    pair.policy = UnitPolicy(cursor_columns=("changed_at",))
    with Standby(pair.server) as standby:
        mover = Mover(pair, source=open_source(standby.socket_url(pair.source)))
        summary = mover.run("full")
        assert (summary.rows_inserted, summary.checkpoint_after) == (1000, None), "what it saw settles nothing"
        with pytest.raises(ModeUnsupportedError, match="standby"):
            mover.run("incremental")
        assert_equal(pair, "none")
        mover.close()
