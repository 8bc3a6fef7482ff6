"""The Prefect server of ``nucleus up``: Prefect's own app, with some habits changed that cost its callers time.

Prefect opens a write as ``BEGIN DEFERRED``: it reads first, and when another write commits before its own, SQLite ends
it at once (SQLITE_BUSY_SNAPSHOT, which no timeout covers). Callers get 503, and Prefect's client then waits two, four,
eight seconds. ``BEGIN IMMEDIATE`` waits for the other write instead. SQLite waits by sleeping and asking again, up to a
tenth of a second at a time and in no order; so the writes of this process stand in a queue of their own before it.

For every run it creates, Prefect asks whether the schemas of parameters and of the pool's variables are schemas;
jsonschema checks them against the meta-schema, which is a third of the whole call. An answer for one text stands.

Nothing of this applies to a server that somebody else runs.
"""

from __future__ import annotations

import asyncio
import gc
import json
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from prefect.server.api.server import create_app as prefect_app
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.utilities.schema_tools import validation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_REMEMBERED = 1_000


def create_app() -> Any:
    """The ASGI application, for ``uvicorn --factory``."""
    begin = AioSqliteConfiguration.begin_transaction
    queue = WriteQueue()

    @asynccontextmanager
    async def begin_immediate(self: AioSqliteConfiguration, session: Any, with_for_update: bool = False) -> Any:  # noqa: ARG001, FBT001, FBT002
        async with queue.turn(), begin(self, session, with_for_update=True) as transaction:
            yield transaction

    AioSqliteConfiguration.begin_transaction = begin_immediate  # type: ignore[method-assign]
    validator = validation._VALIDATOR  # noqa: SLF001 - the class that checks parameters and job variables
    validator.check_schema = staticmethod(remembering(validator.check_schema))
    app = prefect_app()
    gc.collect()
    gc.freeze()  # hundreds of thousands of objects that last as long as the process: looking at them stops it
    return app


class WriteQueue:
    """First come, first served, within an event loop; what the holder of the turn calls has it already."""

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._holders: WeakKeyDictionary[asyncio.AbstractEventLoop, object] = WeakKeyDictionary()
        self._mine: ContextVar[object] = ContextVar("mine", default=None)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn and hold it while the context is open."""
        loop, mine = asyncio.get_running_loop(), self._mine.get()
        if mine is not None and self._holders.get(loop) is mine:
            yield
            return
        async with self._locks.setdefault(loop, asyncio.Lock()):
            turn = self._holders[loop] = object()
            token = self._mine.set(turn)
            try:
                yield
            finally:
                self._mine.reset(token)
                del self._holders[loop]


def remembering(check: Callable[[Any], None]) -> Callable[..., None]:
    """``check(schema)``, asked once for every text of a schema that passed; what failed is checked again."""
    passed: set[str] = set()

    def check_once(schema: Any, format_checker: object = None) -> None:  # noqa: ARG001 - the validator's own, always
        text = json.dumps(schema, default=repr)
        if text in passed:
            return
        check(schema)
        if len(passed) >= _REMEMBERED:
            passed.clear()
        passed.add(text)

    return check_once
