"""JQL as far as ingestion needs it: a parser, the documented complaints, and evaluation over issues.

Source: Atlassian support, "Use advanced search with JQL": operators, reserved words, dates in the user's zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sandbox.jira.names import KINDS
from sandbox.jira.site import JqlError

if TYPE_CHECKING:
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from sandbox.jira.site import Issue, JiraSite

RESERVED = frozenset(
    {
        "and", "or", "not", "in", "is", "empty", "null", "order", "by", "do", "int", "set", "as", "end", "if", "then",
        "else", "for", "to", "from", "select", "where", "when", "while", "was", "changed", "add", "access", "all",
    }
)  # fmt: skip
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')|(>=|<=|!=|[=<>(),])|([^\s=<>!(),"\']+))')
_DATE_FORMS = ("%Y/%m/%d %H:%M", "%Y-%m-%d %H:%M", "%Y/%m/%d", "%Y-%m-%d")
_FIELDS = {
    "project", "key", "issuekey", "id", "status", "assignee", "updated", "created", "issuetype", "parent", "priority",
}  # fmt: skip
Test = "Callable[[Issue], bool]"


@dataclass(frozen=True)
class JqlQuery:
    """A parsed query.

    Attributes:
        test: Whether an issue matches.
        bounded: False without any restriction.
        projects: Keys the query is limited to at its top level; None when it is not.
        created: Lowest and highest creation in milliseconds at the top level (inclusive, exclusive).
        updated_from: Earliest update in milliseconds at the top level; None when it is not limited.
        order: Fields and directions.
    """

    test: Callable[[Issue], bool]
    bounded: bool
    projects: frozenset[str] | None
    created: tuple[int, int]
    updated_from: int | None
    order: tuple[tuple[str, bool], ...]


class Parser:
    """Reads one query against one site in one account's zone."""

    def __init__(self, site: JiraSite, zone: ZoneInfo) -> None:
        self._site, self._zone = site, zone
        self._tokens: list[tuple[str, bool]] = []
        self._at = 0
        self._depth = 0
        self._projects: frozenset[str] | None = None
        self._created = (-(1 << 62), 1 << 62)
        self._updated_from: int | None = None
        self._has_or = False

    def parse(self, jql: str) -> JqlQuery:
        """The query; raises JqlError with the documented words."""
        self._tokens, self._at = _tokens(jql), 0
        bounded = bool(self._tokens) and self._peek() != "order"
        test = self._or() if bounded else (lambda _issue: True)
        order = self._order()
        if self._at < len(self._tokens):
            raise JqlError(f"Error in the JQL Query: Expecting end of query but got '{self._tokens[self._at][0]}'.")
        if self._has_or:
            return JqlQuery(test, bounded, None, (-(1 << 62), 1 << 62), None, order)
        return JqlQuery(test, bounded, self._projects, self._created, self._updated_from, order)

    def _peek(self) -> str:
        if self._at >= len(self._tokens):
            return ""
        word, quoted = self._tokens[self._at]
        return "\0quoted" if quoted else word.lower()

    def _take(self) -> tuple[str, bool]:
        if self._at >= len(self._tokens):
            raise JqlError("Error in the JQL Query: Expecting either a value, list or function before the end.")
        self._at += 1
        return self._tokens[self._at - 1]

    def _or(self) -> Callable[[Issue], bool]:
        tests = [self._and()]
        while self._peek() == "or":
            self._has_or = True
            self._take()
            tests.append(self._and())
        return tests[0] if len(tests) == 1 else lambda issue: any(test(issue) for test in tests)

    def _and(self) -> Callable[[Issue], bool]:
        tests = [self._not()]
        while self._peek() == "and":
            self._take()
            tests.append(self._not())
        return tests[0] if len(tests) == 1 else lambda issue: all(test(issue) for test in tests)

    def _not(self) -> Callable[[Issue], bool]:
        if self._peek() == "not":
            self._take()
            self._has_or = True
            inner = self._not()
            return lambda issue: not inner(issue)
        if self._peek() == "(":
            self._take()
            inner = self._or()
            if self._take()[0] != ")":
                raise JqlError("Error in the JQL Query: Expecting ')'.")
            return inner
        return self._clause()

    def _clause(self) -> Callable[[Issue], bool]:
        field = self._field()
        operator = self._take()[0].lower()
        if operator == "is":
            return self._is_empty(field)
        negated = operator == "not"
        if negated:
            operator = self._take()[0].lower()
        if operator == "in":
            return self._in(field, negated=negated)
        value = self._value(field)
        if field in {"updated", "created"}:
            return self._compare_moment(field, operator, value)
        if operator not in {"=", "!="}:
            return self._compare_number(field, operator, value)
        if operator == "=" and field == "project":
            self._limit_projects({value})
        return self._equals(field, [value], negated=operator == "!=")

    def _field(self) -> str:
        field = self._take()[0].lower()
        if field in RESERVED:
            raise _reserved(field)
        if field not in _FIELDS:
            raise JqlError(f"Field '{field}' does not exist or you do not have permission to view it.")
        return "key" if field == "issuekey" else field

    def _in(self, field: str, *, negated: bool) -> Callable[[Issue], bool]:
        if self._take()[0] != "(":
            raise JqlError("Error in the JQL Query: Expecting '('.")
        values = [self._value(field)]
        while self._take()[0] == ",":
            values.append(self._value(field))
        if field == "project" and not negated:
            self._limit_projects(set(values))
        return self._equals(field, values, negated=negated)

    def _is_empty(self, field: str) -> Callable[[Issue], bool]:
        negated = self._peek() == "not"
        if negated:
            self._take()
        if self._take()[0].lower() not in {"empty", "null"}:
            raise JqlError("Error in the JQL Query: Expecting EMPTY.")
        return lambda issue: (_text(issue, field) is None) != negated

    def _value(self, field: str) -> str:
        word, quoted = self._take()
        if not quoted and word.lower() in RESERVED:
            raise _reserved(word)
        if not quoted and word in {"(", ")", ",", "=", ">", "<"}:
            raise JqlError(f"Error in the JQL Query: Expecting either a value, list or function but got '{word}'.")
        if field in {"updated", "created"} and not quoted and word.lstrip("-").isdecimal():
            return f"\0{word}"
        return word

    def _limit_projects(self, values: set[str]) -> None:
        keys = frozenset(value.upper() for value in values)
        self._projects = keys if self._projects is None else self._projects & keys

    def _equals(self, field: str, values: list[str], *, negated: bool) -> Callable[[Issue], bool]:
        for value in values:
            self._site.check_value(field, value)
        wanted = {value.lower() for value in values}
        names = self._site.names

        def matches(issue: Issue) -> bool:
            also = issue.project_id if field == "project" else names.issue_ids(issue).get(field)
            named = names.of(field, also) if field in KINDS and also else None
            there = named or _text(issue, field)
            if there is None:
                return False
            return ((there.lower() in wanted) or (also in wanted)) != negated

        return matches

    def _compare_number(self, field: str, operator: str, value: str) -> Callable[[Issue], bool]:
        if field not in {"id", "key"} or not value.isdecimal():
            raise JqlError(f"The operator '{operator}' is not supported by the '{field}' field.")
        return _comparison(operator, lambda issue: int(issue.issue_id), int(value))

    def _compare_moment(self, field: str, operator: str, value: str) -> Callable[[Issue], bool]:
        moment = int(value[1:]) if value.startswith("\0") else self._moment(field, value)
        if field == "created":
            low, high = self._created
            self._created = (
                (max(low, moment), high)
                if operator == ">="
                else (low, min(high, moment))
                if operator == "<"
                else (low, high)
            )
            return _comparison(operator, lambda issue: issue.created_ms, moment)
        if operator == ">=":
            self._updated_from = max(self._updated_from or 0, moment)
        return _comparison(operator, lambda issue: issue.updated_ms, moment)

    def _moment(self, field: str, value: str) -> int:
        for form in _DATE_FORMS:
            try:
                return int(datetime.strptime(value, form).replace(tzinfo=self._zone).timestamp() * 1000)
            except ValueError:
                continue
        raise JqlError(
            f"Date value '{value}' for field '{field}' is invalid. Valid formats include: 'yyyy/MM/dd HH:mm', "
            "'yyyy-MM-dd HH:mm', 'yyyy/MM/dd', 'yyyy-MM-dd', or a period format e.g. '-5d', '4w 2d'."
        )

    def _order(self) -> tuple[tuple[str, bool], ...]:
        if self._peek() != "order":
            return ()
        self._take()
        if self._take()[0].lower() != "by":
            raise JqlError("Error in the JQL Query: Expecting 'by'.")
        order: list[tuple[str, bool]] = []
        while True:
            field = self._take()[0].lower()
            descending = self._peek() == "desc"
            if self._peek() in {"asc", "desc"}:
                self._take()
            order.append((field, descending))
            if self._peek() != ",":
                return tuple(order)
            self._take()


def _tokens(jql: str) -> list[tuple[str, bool]]:
    words, at = [], 0
    jql = jql.rstrip()
    while at < len(jql):
        match = _TOKEN.match(jql, at)
        if match is None:
            raise JqlError(f"Error in the JQL Query: The character '{jql[at]}' is a reserved JQL character.")
        quoted, operator, word = match.groups()
        words.append((_unescaped(quoted[1:-1]), True) if quoted else (operator or word, False))
        at = match.end()
    return words


def _unescaped(text: str) -> str:
    plain = {"n": "\n", "r": "\r", "t": "\t"}
    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", lambda m: _one(m.group(1), plain), text)


def _one(escape: str, plain: dict[str, str]) -> str:
    if escape.startswith("u") and len(escape) == 5:
        return chr(int(escape[1:], 16))
    if escape not in {"n", "r", "t", "\\", '"', "'", " "}:
        raise JqlError(f"Error in the JQL Query: '\\{escape}' is an illegal JQL escape sequence.")
    return plain.get(escape, escape)


def _reserved(word: str) -> JqlError:
    return JqlError(
        f"Error in the JQL Query: '{word}' is a reserved JQL word. "
        "You must surround it in quotation marks to use it in a query. (line 1, character 11)"
    )


def _text(issue: Issue, field: str) -> str | None:
    return {
        "project": issue.project_key,
        "key": issue.key,
        "id": issue.issue_id,
        "status": issue.status,
        "assignee": issue.assignee_id,
        "issuetype": issue.issue_type,
        "parent": issue.parent_id,
    }.get(field, "")


def _comparison(operator: str, of: Callable[[Issue], int], value: int) -> Callable[[Issue], bool]:
    tests: dict[str, Callable[[Issue], bool]] = {
        ">=": lambda issue: of(issue) >= value,
        "<=": lambda issue: of(issue) <= value,
        ">": lambda issue: of(issue) > value,
        "<": lambda issue: of(issue) < value,
        "=": lambda issue: of(issue) == value,
    }
    if operator not in tests:
        raise JqlError(f"Error in the JQL Query: Expecting operator but got '{operator}'.")
    return tests[operator]
