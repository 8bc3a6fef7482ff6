"""Writers of a MariaDB table whose transactions overlap; see ``tests/exactness/overlapping.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.exactness.overlapping import FIRST_ROWS, FreeStream, OpenTransaction, OverlappingTraffic

if TYPE_CHECKING:
    import random

    from pymysql.connections import Connection

    from sandbox.mariadb import SandboxMariaDb

LATE = "late"
LATE_TABLE = (
    f"CREATE TABLE {LATE} (id bigint PRIMARY KEY, version bigint, changed_at timestamp(6) NOT NULL, turn bigint)",
    f"ALTER TABLE {LATE} ADD KEY (changed_at), ADD KEY (turn)",
    "CREATE SEQUENCE turns",
    f"INSERT INTO {LATE} SELECT seq, 0, NOW(6), NEXTVAL(turns) FROM seq_1_to_{FIRST_ROWS}",
)


class MariaDbTraffic(OverlappingTraffic):
    """Over ``LATE_TABLE``; a transaction that may be prepared (XA) is named when it begins."""

    table = LATE
    next_turn = "NEXTVAL(turns)"

    def __init__(self, server: SandboxMariaDb, database: str, chance: random.Random, lanes: int = 6) -> None:
        self._server, self._database = server, database
        super().__init__(chance, lanes)

    def _connect(self) -> Connection[Any]:
        return self._server.connect(self._database)

    def _value(self, cursor: Any) -> Any:
        return int(cursor.fetchone()[0])

    def _begun(self, lane: int) -> OpenTransaction:
        opened = OpenTransaction(name=f"x{len(self.acts)}" if self._chance.random() < 0.4 else None)
        self._say(lane, f"XA START '{opened.name}'" if opened.name else "BEGIN")
        if self._chance.random() < 0.4:
            # A value that was taken long before it is written: the transaction has read by then.
            self._say(lane, f"SELECT count(*) FROM {LATE} WHERE id = 1")
            opened.early_turn = self._ask(lane, f"SELECT {self.next_turn}")
        return opened

    def _moment(self) -> str:
        return "NOW(6)"

    def _is_to_be_prepared(self, opened: OpenTransaction, draw: float, ending: float) -> bool:
        return opened.name is not None and draw < ending * 0.6

    def _finish(self, lane: int, opened: OpenTransaction, how: str) -> None:
        if opened.name is None:
            self._say(lane, how)
            return
        self._say(lane, f"XA END '{opened.name}'")
        self._say(lane, f"XA COMMIT '{opened.name}' ONE PHASE" if how == "COMMIT" else f"XA ROLLBACK '{opened.name}'")

    def _prepare(self, lane: int, opened: OpenTransaction) -> str:
        """Prepared, and then its connection goes."""
        assert opened.name is not None
        self._say(lane, f"XA END '{opened.name}'")
        self._say(lane, f"XA PREPARE '{opened.name}'")
        self._connections[lane].close()
        self._connections[lane] = self._connect()
        return opened.name

    def _finish_prepared(self, lane: int, name: str, how: str) -> None:
        self._say(lane, f"XA {how} '{name}'")


class MariaDbStream(FreeStream):
    """Over ``LATE_TABLE``; the statement's time is that at which it begins, and it sleeps before it writes."""

    def __init__(self, server: SandboxMariaDb, database: str, lane: int, seed: int) -> None:
        self._server, self._database = server, database
        super().__init__(lane, seed)

    def _connect(self) -> Connection[Any]:
        return self._server.connect(self._database)

    def _upsert(self, cursor: Any, row: int, version: int) -> None:
        cursor.execute(
            f"INSERT INTO {LATE} SELECT {row}, {version}, NOW(6), s.turn FROM (SELECT NEXTVAL(turns) AS turn, "
            f"SLEEP({self._chance.random() * 0.06:.3f}) AS slept) s ON DUPLICATE KEY UPDATE version = VALUES(version), "
            "changed_at = VALUES(changed_at), turn = VALUES(turn)"
        )
