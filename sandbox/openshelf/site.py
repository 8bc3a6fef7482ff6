"""The data of a lending service (authors, books, loans) and changes to it.

What is awkward in real services is here on purpose: prices are exact decimals, one column of moments is written in
mixed zones, values are null, and many rows share the millisecond they were changed in.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = dict[str, Any]
"""A row as the service answers it; prices are ``Decimal`` and are written as JSON numbers."""
Kind = Literal["authors", "books", "loans"]

TIED_ROWS = 30
"""So many neighbours share one millisecond, at the beginning of every hundred rows."""
_START = datetime(2025, 1, 1, tzinfo=UTC)
_ZONES = tuple(ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles"))
_TITLES = ("The Silent Orchard", "Über Brücken", "砂の女", "A Field Guide to Fog", "Ledger of Small Debts", "Ñandú")
_TAGS = ("novel", "poetry", "maps", "für Kinder", "out of print", "signed")
_NAMES = ("Ada Vogel", "Kōbō Abe", "Ines O'Hara", "Tomás Núñez", "Mwai Githinji", "Lena \\ Quist")


class ShelfSite:
    """Deterministic from its arguments; every method is safe between threads.

    The service's clock does not advance until something happens or :meth:`pass_time` is called.

    Args:
        seed: Chance.
        books: How many.
        authors: How many.
        loans: How many.
        days: Rows were last changed over so many days.
    """

    def __init__(self, seed: int = 1, books: int = 400, authors: int = 60, loans: int = 300, days: int = 200) -> None:
        self.lock = RLock()
        self._chance = random.Random(seed)  # noqa: S311 - repeatable data
        self._now = _START + timedelta(days=days + 1)
        self._next = 1_000
        self._rows: dict[Kind, dict[int, Row]] = {"authors": {}, "books": {}, "loans": {}}
        self._changed: dict[tuple[Kind, int], datetime] = {}
        span = timedelta(days=days)
        for kind, count in (("authors", authors), ("books", books), ("loans", loans)):
            for number in range(count):
                self._add(kind, _START + span * _untied(number) / max(count, 1), number)  # type: ignore[arg-type]

    @property
    def now(self) -> datetime:
        """The service's clock."""
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Move the clock on."""
        with self.lock:
            self._now += timedelta(seconds=seconds)

    def rows(self, kind: Kind) -> list[Row]:
        """Everything there is, by id."""
        with self.lock:
            return [dict(row) for _, row in sorted(self._rows[kind].items())]

    def changed(self, kind: Kind, low: datetime | None, high: datetime | None) -> list[tuple[datetime, int]]:
        """(Last change, id) of rows changed from ``low`` on and before ``high``, in that order."""
        with self.lock:
            changes = [(moment, key) for (of, key), moment in self._changed.items() if of == kind]
        return sorted(one for one in changes if (low is None or one[0] >= low) and (high is None or one[0] < high))

    def row(self, kind: Kind, key: int) -> Row | None:
        """One row as it is now."""
        with self.lock:
            row = self._rows[kind].get(key)
            return None if row is None else dict(row)

    def add(self, kind: Kind) -> int:
        """A new row, changed now; its id."""
        with self.lock:
            return self._add(kind, self._tick(), self._next)

    def edit(self, kind: Kind, key: int, *, moment: datetime | None = None, **fields: Any) -> None:
        """Change fields of a row; its last change is now, or ``moment``."""
        with self.lock:
            self._rows[kind][key].update(fields)
            self._touch(kind, key, moment or self._tick())

    def remove(self, kind: Kind, key: int) -> None:
        """The row vanishes; nothing keeps a record of it."""
        with self.lock:
            del self._rows[kind][key]
            del self._changed[kind, key]

    def _tick(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now

    def _add(self, kind: Kind, moment: datetime, number: int) -> int:
        key, self._next = self._next, self._next + 1
        makers = {"authors": self._author, "books": self._book, "loans": self._loan}
        self._rows[kind][key] = {"id": key, **makers[kind](number)}
        self._touch(kind, key, moment)
        return key

    def _touch(self, kind: Kind, key: int, moment: datetime) -> None:
        moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        self._changed[kind, key] = moment
        if kind != "authors":
            self._rows[kind][key]["updated_at"] = written(moment, _ZONES[key % len(_ZONES)])

    def _author(self, number: int) -> Row:
        born = None if number % 7 == 3 else (1900 + number % 90)
        return {"name": f"{_NAMES[number % len(_NAMES)]} {number}", "born": born, "alive": number % 3 != 0}

    def _book(self, number: int) -> Row:
        chance, authors = self._chance, list(self._rows["authors"])
        published = f"{1950 + number % 70}-{1 + number % 12:02}-{1 + number % 28:02}"
        return {
            "title": f"{_TITLES[number % len(_TITLES)]} {number}",
            "author_id": chance.choice(authors) if authors and number % 11 else None,
            "price": None if number % 13 == 5 else Decimal(chance.randrange(100, 9_900)).scaleb(-2),
            "rating": None if number % 4 == 1 else Decimal(chance.randrange(10, 51)).scaleb(-1),
            "pages": chance.randrange(40, 1_200),
            "published_on": None if number % 9 == 2 else published,
            "lendable": number % 5 != 0,
            "summary": None if number % 6 == 1 else " ".join(chance.choices(_TITLES, k=3 + (number % 10) ** 2)),
            "publisher": None if number % 8 == 7 else {"name": f"House {number % 17}", "city": "Jena"},
            "tags": [{"name": chance.choice(_TAGS), "votes": chance.randrange(9)} for _ in range(number % 4)],
        }

    def _loan(self, number: int) -> Row:
        chance, books = self._chance, list(self._rows["books"])
        due = _START.date() + timedelta(days=number % 300)
        return {
            "book_id": chance.choice(books) if books else None,
            "reader": f"reader-{number % 40}@example.org",
            "due_on": due.isoformat(),
            "returned": number % 3 == 0,
            "fine": Decimal(chance.randrange(0, 5_000)).scaleb(-3),
        }


def written(moment: datetime, zone: ZoneInfo = _ZONES[0]) -> str:
    """A moment as the service writes it: milliseconds, and the offset of some zone."""
    return moment.astimezone(zone).isoformat(timespec="milliseconds")


def moments(rows: list[Row]) -> Iterator[datetime]:
    """When each row was last changed, UTC."""
    return (datetime.fromisoformat(row["updated_at"]).astimezone(UTC) for row in rows)


def _untied(number: int) -> int:
    """The number whose moment a row shares."""
    return number - number % 100 if number % 100 < TIED_ROWS else number
