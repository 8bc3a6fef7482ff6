"""Who is in the middle of a transaction: a row that becomes visible late, with an old cursor value, must not be lost.

InnoDB lists its transactions in ``information_schema.innodb_trx``, once they have read or written; a statement that has
done neither yet has fixed its ``NOW()`` already, and is in the process list. So both are read, the statements first:
whoever turns from one into the other meanwhile is seen at least once. A transaction that was begun read only writes
nothing and does not count; a prepared one counts until it ends, also when its connection is gone.

``SHOW ENGINE INNODB STATUS`` tells at once whether there is any transaction; which of them may write is in the list.
The list is a cache, which is not renewed while somebody else looks at it (storage/innobase/trx/trx0i_s.cc: after 0.1 s
without a reader). So the look is taken inside a transaction of a new connection, and the list believed once that one is
in it; where it never is, the status has to do.

A transaction that ends between two looks is in neither. InnoDB counts: each transaction that writes takes a number when
it begins to and another when it ends. So nothing was committed between a view and a look after it if nobody was at work
before the view and the counter stands where it stood before that::

    counter -> statements, transactions  ->  the view that is read  ->  statements, transactions -> counter

What a program took for a cursor value before it sent the statement, the server does not know, nor do we.
"""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.mysql.client import MySqlSession, begin, connect
from connectors.mysql.errors import is_denied
from connectors.sql.settled import PREPARED, STATEMENT, CursorObservation
from contracts.errors import IngestionError

if TYPE_CHECKING:
    from collections.abc import Collection

    from connectors.mysql.config import MySqlConfig

CACHE_S = 0.12
"""The list of transactions is renewed when nobody has read it for a tenth of a second."""
_TRIES = 5
_DAEMON = "Daemon"
_IDLE = {"Sleep", _DAEMON, "Binlog Dump", "Binlog Dump GTID"}
_APPLIER = "system user"
"""Of threads that apply what another server, or another node of a cluster, has committed."""
_READS_ONLY = "SELECT @@GLOBAL.read_only <> 0 OR @@GLOBAL.innodb_read_only <> 0"
"""A replica may have stopped to apply, or share the storage of the server that writes."""
_PASSED = "passed/"
"""Begins the name of whoever committed unseen: it has ended by the next look."""
_TRANSACTIONS = """
SELECT trx_id, trx_mysql_thread_id, trx_started, trx_is_read_only, CONNECTION_ID() FROM information_schema.innodb_trx
"""
_ONE_TRANSACTION = re.compile(r"^---TRANSACTION \S+, (?:ACTIVE|COMMITTED)", re.MULTILINE)
_ITS_THREAD = re.compile(r"^(?:MySQL|MariaDB) thread id (\d+)", re.MULTILINE)
Names = dict[str, int | None]


@dataclass(frozen=True)
class Look:
    """Who was at work at one moment.

    Attributes:
        began_us: By name, when a transaction began at the earliest, on the server's clock; None where nobody knows.
        counter: InnoDB's counter of transactions.
        applies: Whether the server applies the transactions of another one, which lists them.
        at: When the look began, in UTC on the server's clock, as text.
        at_us: When it ended.
    """

    began_us: Names
    counter: int
    applies: bool
    at: str
    at_us: int


def look(config: MySqlConfig, ours: Collection[int], *, counter_first: bool) -> Look | None:
    """A look at the server by a connection of its own; None where the account may not look, or the list is cut off.

    Args:
        config: Where the server is.
        ours: Threads of the view, which only read.
        counter_first: Before a view; after it, the counter is read last.
    """
    with closing(connect(config)) as session:
        try:
            at, base_us = _clock(session)
            counted = _status(session) if counter_first else None
            begin(session)
            statements, applies = _statements(session)
            status = _status(session)
            ours = {*ours, session.thread_id}
            active = _active(status)
            if active is None or not set(active) <= ours:
                names, threads = _transactions(session, base_us) or _in_status(active)
                status = _status(session)
            else:
                names, threads = {}, set()
            names |= {f"{thread}{STATEMENT}": None for thread in statements - threads - ours}
            counter = _counter(counted or status)
            return Look(began_us=names, counter=counter, applies=applies, at=at, at_us=_clock(session)[1])
        except _CutOffError:
            return None
        except IngestionError as error:
            if is_denied(error):
                return None
            raise


def is_quiet(before: Look, after: Look) -> bool:
    """True when nothing was committed between the two looks, nor can be from before the second."""
    return not before.began_us and not after.began_us and before.counter == after.counter


def observation(before: Look, after: Look) -> CursorObservation:
    """What two looks around a view say."""
    there = sorted(after.began_us)
    if not there and not is_quiet(before, after):
        there = [f"{_PASSED}{after.counter}"]
    return CursorObservation(
        gone_before=tuple(sorted(before.began_us)),
        xmin=0,
        view_xmax=0,
        xmax=0,
        there_after=tuple(there),
        began_us={name: began for name, began in before.began_us.items() if began is not None},
        seen_at_us=after.at_us,
        view_at=before.at,
    )


class _CutOffError(Exception):
    """The server did not print all of its transactions."""


def _clock(session: MySqlSession) -> tuple[str, int]:
    """The moment in UTC as text, and in microseconds since 1970."""
    sql = "SELECT UTC_TIMESTAMP(6), CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS UNSIGNED)"
    ((at, now_us),) = session.rows(sql, "asking for the time")
    return str(at), int(now_us)


def _status(session: MySqlSession) -> str:
    return str(session.rows("SHOW ENGINE INNODB STATUS", "looking at the server's transactions")[0][2])


def _counter(status: str) -> int:
    found = re.search(r"^Trx id counter (\d+)", status, re.MULTILINE)
    if found is None:
        raise _CutOffError
    return int(found[1])


def _statements(session: MySqlSession) -> tuple[set[int], bool]:
    """Threads in the middle of a statement, and whether some of them apply another server's transactions."""
    processes = session.rows("SHOW PROCESSLIST", "listing statements")
    applies = any(row[1] == _APPLIER and row[4] != _DAEMON for row in processes)
    ((reads_only,),) = session.rows(_READS_ONLY, "asking whether the server is a replica")
    return {int(row[0]) for row in processes if row[4] not in _IDLE}, applies or reads_only != "0"


def _transactions(session: MySqlSession, base_us: int) -> tuple[Names, set[int]] | None:
    """Who may write, and all threads that have a transaction; None when the list is never a new one."""
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(CACHE_S)
        rows = session.rows(_TRANSACTIONS, "listing transactions")
        mine = [row[2] for row in rows if row[1] == row[4]]
        if not mine:
            continue
        names: Names = {}
        for number, thread, started, reads_only, _ in rows:
            if thread == "0":
                names[f"{PREPARED}{number}"] = None
            elif reads_only != "1":
                names[f"{thread}/{started.replace(' ', 'T')}"] = _began_us(started, mine[0], base_us)
        return names, {int(row[1]) for row in rows}
    return None


def _began_us(started: str, marker: str, base_us: int) -> int:
    """Not after the transaction began: both are written in whole seconds, in a time zone that only the server knows."""
    apart = datetime.fromisoformat(marker) - datetime.fromisoformat(started)
    return base_us // 1_000_000 * 1_000_000 - round(apart.total_seconds()) * 1_000_000


def _active(status: str) -> list[int] | None:
    """Threads with a transaction, 0 for one without a thread; None when the server did not print them all."""
    if "truncated" in status:
        return None
    heads = list(_ONE_TRANSACTION.finditer(status))
    ends = [*(head.start() for head in heads[1:]), len(status)]
    blocks = [status[head.end() : end].partition("\n---")[0] for head, end in zip(heads, ends, strict=True)]
    return [int(found[1]) if (found := _ITS_THREAD.search(block)) else 0 for block in blocks]


def _in_status(active: list[int] | None) -> tuple[Names, set[int]]:
    """The transactions that the status names; it does not say when they began, nor which of them only read."""
    if active is None:
        raise _CutOffError
    return {f"{thread}{STATEMENT}" if thread else f"{PREPARED}unknown": None for thread in active}, set(active)
