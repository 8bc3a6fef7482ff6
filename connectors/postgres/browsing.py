"""A page of a table's live rows for people: every value as text, nothing locked, given up after some seconds."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from connectors.postgres.sql import ident, literal, predicate
from connectors.postgres.target import existing_table
from connectors.sql.predicates import where
from contracts.errors import FilterNotSupportedError, SinkNotProvisionedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.postgres.client import PostgresClient
    from connectors.postgres.session import Session
    from connectors.postgres.target import TargetTable
    from contracts.browsing import RowPage

TIMEOUT_S = 8.0
_BATCH_BYTES = 8 * 1024 * 1024
_ROW = "shown"


def page_of(client: PostgresClient, target: TargetTable, page: RowPage) -> pl.DataFrame:
    """The rows of the page in the order of the key; see ``contracts.browsing``."""
    with _reading(client, target) as session:
        found = existing_table(session, target).types
        conditions = [*target.live, *(predicate(each, found) for each in page.where), *_search(page.search)]
        shown = ", ".join(f"{ident(name)}::text AS {ident(name)}" for name in target.columns)
        order = ", ".join(f"{_ROW}.{ident(name)}" for name in target.key) or f"{_ROW}.ctid"
        sql = (
            f"SELECT {shown} FROM {target.table} AS {_ROW}{where(conditions)} "
            f"ORDER BY {order} LIMIT {page.limit} OFFSET {page.offset}"
        )
        return pl.concat(list(session.stream(sql, _BATCH_BYTES, f"showing {target.table}")))


def values_of(client: PostgresClient, target: TargetTable, column: str, limit: int) -> tuple[str, ...]:
    """What the column holds in live rows, in order."""
    if column not in target.columns:
        raise FilterNotSupportedError(f"{target.table} has no column {column[:60]!r}", "Choose one that it has.")
    name = ident(column)
    with _reading(client, target) as session:
        conditions = where([*target.live, f"{name} IS NOT NULL"])
        sql = f"SELECT DISTINCT {name}::text AS v FROM {target.table}{conditions} ORDER BY 1 LIMIT {int(limit)}"
        return tuple(value for (value,) in session.rows(sql, f"listing values of {target.table}"))


@contextmanager
def _reading(client: PostgresClient, target: TargetTable) -> Iterator[Session]:
    with client.session() as session, session.transaction("READ ONLY"):
        session.execute(f"SET LOCAL statement_timeout = {round(TIMEOUT_S * 1000)}", "limiting a look at a table")
        if not existing_table(session, target).exists:
            raise SinkNotProvisionedError(f"There is no table {target.table}", "Run the unit into this sink first.")
        yield session


def _search(text: str) -> list[str]:
    """Looked for in the row as PostgreSQL writes it, whatever its columns are."""
    return [f"strpos(lower(({_ROW}.*)::text), lower({literal(text)})) > 0"] if text else []
