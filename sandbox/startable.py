"""What every stand-in and proxy has in common: it runs inside a ``with`` block and ends with it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


class Startable(ABC):
    """``with`` starts it and closes it, also after an error."""

    def start(self) -> Self:
        """Start; the same object, running. What listens from its construction on has nothing to do."""
        return self

    @abstractmethod
    def close(self) -> None:
        """End what runs; nothing happens when it has ended."""

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
