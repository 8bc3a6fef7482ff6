"""Connections that see one moment: shown by the binary log's position, or because nothing was committed meanwhile.

Each connection begins its own snapshot. Where the server writes a binary log and ties snapshots to it, the position
that a snapshot has says which moment it shows (MariaDB documentation, "START TRANSACTION", "binlog_snapshot_position").
Elsewhere they are the same when no transaction ended while they were opened. Nothing is locked.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from connectors.mysql.client import MySqlSession, begin, connect
from connectors.mysql.watermark import Look, is_quiet, look, observation
from connectors.sql.views import SharedView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.mysql.config import MySqlConfig

_BINLOG_TRIES, _QUIET_TRIES = 12, 3
_POSITION = "SHOW STATUS LIKE 'binlog\\_snapshot\\_%'"
_VARIABLES = "SHOW VARIABLES WHERE Variable_name IN ('log_slave_updates', 'log_replica_updates')"
_ONE_READER = (
    "No moment was found that several connections see together, so that one connection reads the whole run, slice "
    "after slice."
)
_MAY_NOT_LOOK = "The account may not see who is at work (GRANT PROCESS), so nothing settles."
_APPLIES = (
    "The server may apply another one's transactions and does not know which are still open there: nothing settles."
)


def open_view(config: MySqlConfig) -> SharedView:
    """The readers of one run, at one moment, with what is known of the others at work around it."""
    sessions: list[MySqlSession] = []
    try:
        sessions.extend(connect(config) for _ in range(config.readers))
        return _opened(config, sessions)
    except BaseException:
        for session in sessions:
            session.close()
        raise


def _opened(config: MySqlConfig, sessions: list[MySqlSession]) -> SharedView:
    ours = [session.thread_id for session in sessions]
    before = look(config, ours, counter_first=True)
    applies = before is None or before.applies
    after: Look | None = None
    together = _at_one_position(sessions, may_apply=applies) if len(sessions) > 1 else sessions
    if len(together) == 1 < len(sessions) and before is not None and not applies:
        before, after = _while_quiet(config, sessions, before)
        together = sessions if after is not None else together
    notes = (_ONE_READER,) if len(together) == 1 < len(sessions) else ()
    _keep(sessions, together)
    if len(sessions) == 1:
        begin(sessions[0])
    if before is None:
        return SharedView(sessions, None, (*notes, _MAY_NOT_LOOK))
    if applies:
        return SharedView(sessions, None, (*notes, _APPLIES))
    after = after or look(config, ours, counter_first=False)
    if after is None:
        return SharedView(sessions, None, (*notes, _MAY_NOT_LOOK))
    return SharedView(sessions, observation(before, after), notes)


def _keep(sessions: list[MySqlSession], kept: Sequence[MySqlSession]) -> None:
    """Close the others."""
    for session in set(sessions) - set(kept):
        session.close()
    sessions[:] = kept


def _at_one_position(sessions: Sequence[MySqlSession], *, may_apply: bool) -> list[MySqlSession]:
    """Those that have a snapshot of one position of a binary log that holds every transaction: all, most, or one."""
    if may_apply:
        own_and_applied = {value for _, value in sessions[0].rows(_VARIABLES, "asking for the binary log")}
        if "ON" not in own_and_applied:
            return [sessions[0]]
    best = [sessions[0]]
    for _ in range(_BINLOG_TRIES):
        _begin_together(sessions)
        groups: dict[tuple[str, ...], list[MySqlSession]] = defaultdict(list)
        for session in sessions:
            groups[_position(session)].append(session)
        if () in groups:
            return [sessions[0]]
        best = max(groups.values(), key=len)
        if len(best) == len(sessions):
            break
    return best


def _position(session: MySqlSession) -> tuple[str, ...]:
    """File and offset of the binary log that the session's snapshot shows; () where the server does not say."""
    values = tuple(str(value) for _, value in session.rows(_POSITION, "asking for the binary log"))
    return values if len(values) == 2 and all(values) else ()


def _begin_together(sessions: Sequence[MySqlSession]) -> None:
    """A snapshot for each, at as nearly one moment as threads can."""
    with ThreadPoolExecutor(len(sessions)) as pool:
        list(pool.map(begin, sessions))


def _while_quiet(
    config: MySqlConfig, sessions: Sequence[MySqlSession], before: Look
) -> tuple[Look | None, Look | None]:
    """The looks around snapshots between which nothing was committed; the second is None when there are none."""
    ours = [session.thread_id for session in sessions]
    first: Look | None = before
    for _ in range(_QUIET_TRIES):
        _begin_together(sessions)
        after = look(config, ours, counter_first=False)
        if first is not None and after is not None and is_quiet(first, after):
            return first, after
        first = look(config, ours, counter_first=True)
    return first, None
