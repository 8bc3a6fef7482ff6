"""One endpoint plane (I8): no vendor outside connectors and mappers, no branch on one kind of database."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.architecture.rooms import ROOT, files

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDOR = re.compile("jira|confluence|onedrive|openshelf", re.IGNORECASE)
DATABASE = re.compile("postgres", re.IGNORECASE)
TABLE_DRIVER = ROOT / "state" / "table.py"
"""The table driver of KvStore exists for SQLite and Postgres and chooses by its URL."""
CONTRACT_TYPES = ROOT / "metadata_api" / "schema" / "vendor_filters.py"
"""The platform's GraphQL contract names two filter types after vendors; nothing else of the API may know one."""


def test_no_vendor_is_named():
    named = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in files("cli", "contracts", "flows", "metadata_api", "staging", "state")
        if path != CONTRACT_TYPES
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if VENDOR.search(line)
    ]
    assert named == []


def test_the_one_exception_is_needed():
    assert VENDOR.search(CONTRACT_TYPES.read_text())


def test_nothing_branches_on_postgres():
    branches = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files("contracts", "flows/stages", "state")
        if path != TABLE_DRIVER
        for line in branches_on_postgres(path.read_text())
    ]
    assert branches == []


def test_a_branch_would_be_seen():
    assert list(branches_on_postgres('if vendor == "postgres":\n    pass')) == [1]
    assert list(branches_on_postgres("x = 1 if is_postgres else 2")) == [1]
    assert list(branches_on_postgres('match vendor:\n    case "jdbc.postgres":\n        pass')) == [2]
    assert list(branches_on_postgres('"""About postgres."""\nx = {"postgres": 1}')) == []


def branches_on_postgres(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.If | ast.IfExp | ast.While | ast.Assert):
            decision: ast.AST = node.test
        elif isinstance(node, ast.match_case):
            decision = node.pattern
        else:
            continue
        if any(DATABASE.search(word) for part in ast.walk(decision) for word in words(part)):
            yield getattr(decision, "lineno", 0)


def words(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
