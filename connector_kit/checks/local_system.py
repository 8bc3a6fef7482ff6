"""A test system that runs on this machine: started when it is needed, and again after a check changed it."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from connector_kit.checks.system import TestSystem


class LocalServer(Protocol):
    """A server that is running."""

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        ...

    def close(self) -> None:
        """End it."""
        ...


ServerT = TypeVar("ServerT", bound=LocalServer)


class LocalTestSystem(TestSystem, Generic[ServerT]):
    """Write :meth:`start`; use :attr:`server` to read the system and :attr:`server_to_change` to change it.

    Every server that :meth:`start` gives must hold the same rows.
    """

    repeatable = True

    def __init__(self) -> None:
        super().__init__()
        self._server: ServerT | None = None
        self._changed = False

    def start(self) -> ServerT:
        """A new server, running."""
        raise NotImplementedError

    @property
    def server(self) -> ServerT:
        """The server; it is started if there is none."""
        if self._server is None:
            self._server, self._changed = self.start(), False
        return self._server

    @property
    def server_to_change(self) -> ServerT:
        """The server, for a check that changes it: the next check gets a new one."""
        server, self._changed = self.server, True
        return server

    @property
    def upstream(self) -> str:
        """The server's URL."""
        return self.server.url

    def reset(self) -> None:
        """End a server that was changed."""
        if self._changed:
            self.close()

    def close(self) -> None:
        """End the server if there is one."""
        if self._server is not None:
            self._server.close()
        self._server = None
