"""Comparing content without moving it: a count and an order-independent hash that both sides compute alike.

Each row's columns are rendered as text under the session settings every session here has, the text is hashed by
md5, and the two halves of the digests are summed: the order of rows does not matter, a doubled row does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres.sql import ident
from connectors.sql.predicates import where
from contracts.endpoint import ContentHash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connectors.postgres.session import Session


def content_hash(
    session: Session, table: str, columns: Sequence[str], conditions: Sequence[str], doing: str
) -> ContentHash:
    """Count and hash of the rows of ``table`` (already quoted) that satisfy the conditions."""
    texts = ", ".join(f"{ident(name)}::text" for name in columns)
    sql = (
        "SELECT count(*)::bigint AS n, COALESCE(sum(('x' || left(h, 16))::bit(64)::bigint::numeric), 0)::text AS a, "
        "COALESCE(sum(('x' || right(h, 16))::bit(64)::bigint::numeric), 0)::text AS b "
        f"FROM (SELECT md5(ROW({texts})::text) AS h FROM {table}{where(conditions)}) hashed"
    )
    rows, first, second = session.rows(sql, doing)[0]
    return ContentHash(rows=rows, digest=f"{int(first) % 2**64:016x}{int(second) % 2**64:016x}")
