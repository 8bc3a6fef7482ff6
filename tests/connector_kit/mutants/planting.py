"""How bugs are planted: a method is put in the place of one of the connector's, for as long as a test lasts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest

from connectors.http.paging import Page, PageRequest
from connectors.http.rows import RowReader
from connectors.openshelf.client import OpenshelfClient
from tests.connectors.openshelf.system import OpenshelfTestSystem

if TYPE_CHECKING:
    from connector_kit.checks.system import TestSystem

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """A bug, and the check that must find it, in that system."""

    name: str
    check_id: str
    plant: Plant
    system_class: type[TestSystem] = OpenshelfTestSystem


def around(owner: Any, name: str, change: Callable[..., Any]) -> Plant:
    """``change(original, *args)`` in the place of the original."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        original = getattr(owner, name)

        @wraps(original)
        def planted(*args: Any, **named: Any) -> Any:
            return change(original, *args, **named)

        patch.setattr(owner, name, planted)

    return plant


def reading_values(change: Callable[..., Any]) -> Plant:
    """Something else is made of single values: columns are read value by value for it, not whole."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        around(RowReader, "_value", change)(patch)
        patch.setattr(RowReader, "_values", lambda self, rows, cell: [self._value(row, cell) for row in rows])

    return plant


def put(owner: Any, name: str, value: Any) -> Plant:
    """Another value in the place of an attribute."""
    return lambda patch: patch.setattr(owner, name, value)


def asking(change: Callable[[PageRequest], PageRequest]) -> Plant:
    """The client asks for books in another way."""
    return around(OpenshelfClient, "books", lambda original, self, ask: original(self, change(ask)))


def answering(change: Callable[[PageRequest, Page], Page]) -> Plant:
    """The client makes something else of a page of books."""
    return around(OpenshelfClient, "books", lambda original, self, ask: change(ask, original(self, ask)))


def swallowing(*errors: type[BaseException]) -> Plant:
    """The client takes an error for the end of the list."""

    def change(original: Any, self: Any, ask: PageRequest) -> Page:
        try:
            return original(self, ask)
        except errors:
            return Page([])

    return around(OpenshelfClient, "books", change)


def shifted(ask: PageRequest, **by: Any) -> PageRequest:
    """The bounds of a question moved."""
    moved = {name: getattr(ask, name) + delta for name, delta in by.items() if getattr(ask, name) is not None}
    return replace(ask, **moved)
