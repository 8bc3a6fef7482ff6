"""CQL as far as ingestion needs it. Source: "Advanced searching using CQL"; CONFCLOUD-70966 for the zone of dates.

Documented: the operators, date literals of minute granularity, ``now("-4w")``. Reported: literals are read in the
site's zone; ISO texts with ``T`` or ``Z`` are 400. Not here: ``~``, functions other than ``now``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')|(>=|<=|!=|[=<>(),~])|([^\s=<>!(),"\'~]+))')
_FORMS = ("%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y-%m-%d")
_FIELDS = frozenset({"type", "space", "space.key", "label", "lastmodified", "created", "id", "content", "title"})
_MOMENTS = frozenset({"lastmodified", "created"})
_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604_800}
RESERVED = frozenset({"and", "or", "not", "in", "is", "order", "by", "asc", "desc", "null", "empty", "select", "from"})


class CqlError(Exception):
    """What a search answers with 400."""

    def __init__(self, cql: str) -> None:
        super().__init__(
            f"com.atlassian.confluence.rest.serialization.exception.BadRequestException: Could not parse cql : {cql}"
        )


@dataclass(frozen=True)
class Indexed:
    """An entry of the search index; moments in milliseconds."""

    kind: str
    ident: str
    number: int
    space_key: str
    title: str
    created_ms: int
    modified_ms: int
    labels: frozenset[str]
    record: Any


@dataclass(frozen=True)
class CqlQuery:
    """A parsed query: whether an entry matches, and the order (field, downwards)."""

    test: Callable[[Indexed], bool]
    order: tuple[tuple[str, bool], ...]


class CqlParser:
    """Reads queries of one site, in its zone."""

    def __init__(self, zone: ZoneInfo, now: datetime) -> None:
        self._zone, self._now = zone, now
        self._cql, self._tokens, self._at = "", list[tuple[str, bool]](), 0

    def parse(self, cql: str) -> CqlQuery:
        """Raises CqlError."""
        self._cql, self._at, self._tokens = cql, 0, []
        end, text = 0, cql.rstrip()
        while end < len(text):
            match = _TOKEN.match(text, end)
            if match is None:
                raise CqlError(cql)
            quoted, sign, word = match.groups()
            self._tokens.append((re.sub(r"\\(.)", r"\1", quoted[1:-1]), True) if quoted else (sign or word, False))
            end = match.end()
        if not self._tokens:
            raise CqlError(cql)
        test = self._any()
        order = self._order()
        if self._at < len(self._tokens):
            raise CqlError(cql)
        return CqlQuery(test, order)

    def _word(self) -> str:
        if self._at >= len(self._tokens):
            return ""
        word, quoted = self._tokens[self._at]
        return "" if quoted else word.lower()

    def _take(self, *wanted: str) -> tuple[str, bool]:
        if self._at >= len(self._tokens) or (wanted and self._word() not in wanted):
            raise CqlError(self._cql)
        self._at += 1
        return self._tokens[self._at - 1]

    def _any(self) -> Callable[[Indexed], bool]:
        tests = [self._all()]
        while self._word() == "or":
            self._take()
            tests.append(self._all())
        return lambda one: any(test(one) for test in tests)

    def _all(self) -> Callable[[Indexed], bool]:
        tests = [self._one()]
        while self._word() == "and":
            self._take()
            tests.append(self._one())
        return lambda one: all(test(one) for test in tests)

    def _one(self) -> Callable[[Indexed], bool]:
        if self._word() == "not":
            self._take()
            inner = self._one()
            return lambda one: not inner(one)
        if self._word() == "(":
            self._take()
            inner = self._any()
            self._take(")")
            return inner
        return self._clause()

    def _clause(self) -> Callable[[Indexed], bool]:
        field = self._take()[0].lower()
        if field not in _FIELDS:
            raise CqlError(self._cql)
        sign = self._take("=", "!=", ">", ">=", "<", "<=", "in", "not")[0].lower()
        if field in _MOMENTS:
            return self._moment_test(field, sign)
        if sign == "not":
            self._take("in")
        values = self._list() if sign in {"in", "not"} else [self._value()]
        if sign not in {"in", "not", "=", "!="}:
            raise CqlError(self._cql)
        wanted, negated = {value.casefold() for value in values}, sign in {"not", "!="}
        return lambda one: bool(wanted & _values(one, field)) != negated

    def _list(self) -> list[str]:
        self._take("(")
        values = [self._value()]
        while self._take(",", ")")[0] == ",":
            values.append(self._value())
        return values

    def _value(self) -> str:
        word, quoted = self._take()
        if not quoted and (word.lower() in RESERVED or not re.fullmatch(r"[\w.-]+", word)):
            raise CqlError(self._cql)
        return word

    def _moment_test(self, field: str, sign: str) -> Callable[[Indexed], bool]:
        low = self._moment()
        high = low + 60_000
        tests: dict[str, Callable[[int], bool]] = {
            "=": lambda at: low <= at < high, "!=": lambda at: not low <= at < high, ">": lambda at: at >= high,
            ">=": lambda at: at >= low, "<": lambda at: at < low, "<=": lambda at: at < high,
        }  # fmt: skip
        if sign not in tests:
            raise CqlError(self._cql)
        test = tests[sign]
        return (lambda one: test(one.modified_ms)) if field == "lastmodified" else (lambda one: test(one.created_ms))

    def _moment(self) -> int:
        word, quoted = self._take()
        if not quoted and word.lower() == "now":
            self._take("(")
            back = timedelta()
            if self._word() != ")":
                match = re.fullmatch(r"([+-]?\d+)([mhdw])", self._take()[0])
                if match is None:
                    raise CqlError(self._cql)
                back = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
            self._take(")")
            return int((self._now + back).timestamp()) // 60 * 60_000
        for form in _FORMS:
            try:
                read = datetime.strptime(word, form).replace(tzinfo=self._zone)
            except ValueError:
                continue
            return int(read.astimezone(UTC).timestamp()) * 1000
        raise CqlError(self._cql)

    def _order(self) -> tuple[tuple[str, bool], ...]:
        if self._word() != "order":
            return ()
        self._take()
        self._take("by")
        found = []
        while True:
            field, down = self._take("lastmodified", "created", "title")[0].lower(), False
            if self._word() in {"asc", "desc"}:
                down = self._take()[0].lower() == "desc"
            found.append((field, down))
            if self._word() != ",":
                return tuple(found)
            self._take()


def _values(one: Indexed, field: str) -> set[str]:
    if field == "label":
        return {label.casefold() for label in one.labels}
    return {
        {"type": one.kind, "space": one.space_key, "space.key": one.space_key, "title": one.title}
        .get(field, one.ident).casefold()
    }  # fmt: skip
