"""Whether a key is one: by an index of the source, or by counting its values.

A key that an operator names, or that the catalog remembers from an index that is gone, promises nothing: the sink
would keep one row of each value and drop the others in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.postgres.reading import filter_conditions, filtering
from connectors.postgres.sql import ident, qualified
from connectors.sql.checks import is_declared, not_a_key
from connectors.sql.predicates import where

if TYPE_CHECKING:
    from connectors.postgres.session import Session
    from contracts.catalog import DatasetDescriptor
    from contracts.unit import EndpointUnitDescriptor, UnitPolicy

_SHOWN_CHARS = 120


def prove_key(session: Session, unit: EndpointUnitDescriptor, policy: UnitPolicy, now: DatasetDescriptor) -> None:
    """Let a key pass that is unique and never NULL in the rows inside the policy's filter.

    Args:
        session: A session inside the view that the run reads.
        unit: The unit with the key to prove as its ``primary_key``.
        policy: Its filter says which rows count.
        now: The dataset as the database has it; an index that covers the key spares the count.

    Raises:
        KeyNotUniqueError: ``facts["value"]`` is a value of the key that several rows have, or that holds a NULL.
    """
    key = unit.primary_key
    if not key or is_declared(key, now):
        return
    table = qualified(unit.dataset.namespace, unit.dataset.name)
    columns = ", ".join(ident(name) for name in key)
    shown = ", ".join(f"left({ident(name)}::text, {_SHOWN_CHARS}) AS k{index}" for index, name in enumerate(key))
    has_null = " OR ".join(f"{ident(name)} IS NULL" for name in key)
    sql = (
        f"SELECT {shown}, count(*)::bigint AS n FROM {table}{where(filter_conditions(unit, policy))} "
        f"GROUP BY {columns} HAVING count(*) > 1 OR {has_null} LIMIT 1"
    )
    with filtering(unit, policy.filter):
        duplicates = session.rows(sql, f"proving the key of {unit.unit_id}")
    if duplicates:
        *value, rows = duplicates[0]
        raise not_a_key(unit, dict(zip(key, value, strict=True)), rows)
