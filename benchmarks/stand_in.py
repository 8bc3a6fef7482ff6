"""A stand-in in a process of its own, so that its CPU is not taken for a client's; what it answered once it remembers.

A service renders its answers in front of its database, on machines of its own. The stand-in shares the two cores of
the one that is measured: so a case is run once unmeasured, and what is measured meets answers that are rendered.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from sandbox.startable import Startable

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from sandbox.http_service import HttpReply, HttpService, IncomingRequest

    Service = HttpService[Any]

ResultT = TypeVar("ResultT")
ServiceT = TypeVar("ServiceT", bound="Service")
_LONGEST_S = 120.0


@dataclass(frozen=True)
class StandInUse:
    """What a stand-in did since it began: requests answered, CPU seconds."""

    requests: int
    cpu_s: float


class StandInProcess(Startable, Generic[ServiceT]):
    """Serves until it is closed.

    Args:
        make: Makes the service; a function of a module, as everything that is sent to the process.
        arguments: For ``make``.
    """

    def __init__(self, make: Callable[..., ServiceT], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, arguments), daemon=True)

    def start(self) -> Self:
        """Serve; returns when the service answers."""
        self._process.start()
        self.ask(_is_ready)
        return self

    def ask(self, look: Callable[[ServiceT], ResultT]) -> ResultT:
        """What ``look`` gives of the service, whose data it leaves as they are.

        Raises:
            RuntimeError: The process ended, or does not answer.
        """
        return self._asked(look, forget=False)

    def change(self, look: Callable[[ServiceT], ResultT]) -> ResultT:
        """As :meth:`ask`, for what changes the data: answers before it are forgotten."""
        return self._asked(look, forget=True)

    def _asked(self, look: Callable[[ServiceT], ResultT], *, forget: bool) -> ResultT:
        self._pipe.send((look, forget))
        if not self._pipe.poll(_LONGEST_S):
            raise RuntimeError("the stand-in does not answer")
        found: ResultT = self._pipe.recv()
        return found

    def use(self) -> StandInUse:
        """So far."""
        return self.ask(_use)

    def close(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join(_LONGEST_S)


class _Remembering:
    """A service's answers to what only reads, until they are forgotten: GET, and searches that are sent by POST."""

    def __init__(self, service: Service) -> None:
        self._reply = service.reply
        self._kept: dict[tuple[str, str, bytes], HttpReply] = {}

    def reply(self, request: IncomingRequest) -> HttpReply:
        """From memory when it was answered before."""
        asked = (request.method, request.target, request.content)
        kept = self._kept.get(asked)
        if kept is not None:
            return kept
        made = self._reply(request)
        if made.status == 200:
            self._kept[asked] = made
        return made

    def forget(self) -> None:
        """The data changed."""
        self._kept.clear()


def _serve(pipe: Connection, make: Callable[..., Service], arguments: tuple[Any, ...]) -> None:
    service = make(*arguments)
    remembering = _Remembering(service)
    service.reply = remembering.reply  # type: ignore[method-assign]
    with service:
        while (asked := pipe.recv()) is not None:
            look, forget = asked
            if forget:
                remembering.forget()
            pipe.send(look(service))


def _is_ready(service: Service) -> bool:
    return bool(service.url)


def _use(service: Service) -> StandInUse:
    return StandInUse(len(service.requests), time.process_time())
