"""The Prefect server of ``nucleus up``: Prefect's own app, with write transactions that SQLite can queue.

Prefect opens a write as ``BEGIN DEFERRED``: it reads first, and when another write commits before its own, SQLite ends
it at once (SQLITE_BUSY_SNAPSHOT, which no timeout covers). Callers get 503, and Prefect's client then waits two, four,
eight seconds. ``BEGIN IMMEDIATE`` waits for the other write instead, some milliseconds. Servers on Postgres are not
affected, and nothing of this applies to a server that somebody else runs.
"""

from __future__ import annotations

from typing import Any

from prefect.server.api.server import create_app as prefect_app
from prefect.server.database.configurations import AioSqliteConfiguration


def create_app() -> Any:
    """The ASGI application, for ``uvicorn --factory``."""
    begin = AioSqliteConfiguration.begin_transaction

    def begin_immediate(self: AioSqliteConfiguration, session: Any, with_for_update: bool = False) -> Any:  # noqa: ARG001, FBT001, FBT002
        return begin(self, session, with_for_update=True)

    AioSqliteConfiguration.begin_transaction = begin_immediate  # type: ignore[method-assign]
    return prefect_app()
