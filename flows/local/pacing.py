"""What the Prefect server of ``nucleus up`` does less often or in order: writes that queue, schemas checked once."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_REMEMBERED_SCHEMAS = 1_000


class WriteQueue:
    """First come, first served, within an event loop; what the holder of the turn calls has it already."""

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()
        self._holders: WeakKeyDictionary[asyncio.AbstractEventLoop, object] = WeakKeyDictionary()
        self._own_turn: ContextVar[object] = ContextVar("own_turn", default=None)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the turn and hold it while the context is open."""
        loop, own_turn = asyncio.get_running_loop(), self._own_turn.get()
        if own_turn is not None and self._holders.get(loop) is own_turn:
            yield
            return
        async with self._locks.setdefault(loop, asyncio.Lock()):
            turn = self._holders[loop] = object()
            token = self._own_turn.set(turn)
            try:
                yield
            finally:
                self._own_turn.reset(token)
                del self._holders[loop]


def checked_once(check: Callable[[Any], None]) -> Callable[..., None]:
    """``check(schema)``, asked once for every text of a schema that passed; what failed is checked again."""
    passed: set[str] = set()

    def check_once(schema: Any, format_checker: object = None) -> None:  # noqa: ARG001 - the validator's own, always
        text = json.dumps(schema, default=repr)
        if text in passed:
            return
        check(schema)
        if len(passed) >= _REMEMBERED_SCHEMAS:
            passed.clear()
        passed.add(text)

    return check_once
