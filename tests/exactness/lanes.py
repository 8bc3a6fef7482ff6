"""Writers of a PostgreSQL table whose transactions overlap; see ``overlapping``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from adbc_driver_postgresql import dbapi

from tests.exactness.overlapping import FIRST_ROWS, FreeStream, OpenTransaction, OverlappingTraffic

if TYPE_CHECKING:
    import random

LATE = "public.late"
LATE_TABLE = f"""
CREATE TABLE {LATE} (
    id bigint PRIMARY KEY, version bigint NOT NULL, changed_at timestamptz NOT NULL, turn bigint NOT NULL
);
CREATE SEQUENCE public.turns;
CREATE INDEX ON {LATE} (changed_at);
CREATE INDEX ON {LATE} (turn);
INSERT INTO {LATE} SELECT i, 0, now(), nextval('public.turns') FROM generate_series(1, {FIRST_ROWS}) i;
ANALYZE {LATE};
"""


class Traffic(OverlappingTraffic):
    """Over ``LATE_TABLE``; a transaction is prepared under a name of its own when it ends."""

    table = LATE
    next_turn = "nextval('public.turns')"

    def __init__(self, url: str, chance: random.Random, lanes: int = 6) -> None:
        self._url = url
        super().__init__(chance, lanes)

    def _connect(self) -> dbapi.Connection:
        return dbapi.connect(self._url, autocommit=True)

    def _value(self, cursor: dbapi.Cursor) -> Any:
        return pl.DataFrame(cursor.fetch_arrow()).item()

    def _begun(self, lane: int) -> OpenTransaction:
        self._say(lane, "BEGIN")
        takes_early = self._chance.random() < 0.4
        return OpenTransaction(early_turn=self._ask(lane, f"SELECT {self.next_turn}") if takes_early else None)

    def _moment(self) -> str:
        return self._chance.choice(("now()", "now()", "clock_timestamp()"))

    def _is_to_be_prepared(self, opened: OpenTransaction, draw: float, ending: float) -> bool:
        return draw < ending * 0.35

    def _finish(self, lane: int, opened: OpenTransaction, how: str) -> None:
        self._say(lane, how)

    def _prepare(self, lane: int, opened: OpenTransaction) -> str:
        name = f"prepared {len(self.acts)}"
        self._say(lane, f"PREPARE TRANSACTION '{name}'")
        return name

    def _finish_prepared(self, lane: int, name: str, how: str) -> None:
        self._say(lane, f"{how} PREPARED '{name}'")


class Stream(FreeStream):
    """Over ``LATE_TABLE``; it waits between ``BEGIN``, whose time it takes, and the statement."""

    def __init__(self, url: str, lane: int, seed: int) -> None:
        self._url = url
        super().__init__(lane, seed)

    def _connect(self) -> dbapi.Connection:
        return dbapi.connect(self._url, autocommit=True)

    def _upsert(self, cursor: dbapi.Cursor, row: int, version: int) -> None:
        self._stop.wait(self._chance.random() * 0.06)
        cursor.execute(
            f"INSERT INTO {LATE} VALUES ({row}, {version}, now(), nextval('public.turns')) ON CONFLICT (id) DO UPDATE "
            "SET version = excluded.version, changed_at = excluded.changed_at, turn = excluded.turn"
        )
