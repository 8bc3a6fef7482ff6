"""The sink's table: what it must look like, what it looks like, and the statements from one to the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.postgres import catalog, types
from connectors.postgres.sql import ident, literal, qualified
from contracts.errors import SinkSchemaConflictError
from contracts.mapping import DATASET, IDENTITY, OWNER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from connectors.postgres.config import PostgresConfig
    from connectors.postgres.session import Session, SqlSession
    from contracts.catalog import TypeDefinition
    from contracts.plan import IngestionPlan

TOMBSTONE = "_nucleus_deleted_at"
"""Column that says when a row was found gone; only where the policy is ``tombstone``."""

_WIDER: dict[str, tuple[str, ...]] = {
    "smallint": ("integer", "bigint", "numeric"),
    "integer": ("bigint", "numeric"),
    "bigint": ("numeric",),
    "real": ("double precision",),
    "character varying": ("text",),
    "character": ("text",),
    "name": ("text",),
    "json": (),
}


@dataclass(frozen=True)
class TargetTable:
    """A table to write to.

    Attributes:
        schema: Its schema.
        name: Its name.
        columns: Declared type by column name, as wanted.
        key: Primary key columns; empty for a table that is replaced as a whole.
        made_types: User-made types that the columns need, dependencies first.
        tombstones: Whether gone rows are marked instead of deleted.
        tombstone: The column that says when.
        owner: In a table that several endpoints share: the endpoint whose rows these are.
        dataset: In such a table: which of the endpoint's datasets they come from.
        volatile: Columns that do not make two rows different.
    """

    schema: str
    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    made_types: tuple[TypeDefinition, ...]
    tombstones: bool
    tombstone: str = TOMBSTONE
    owner: str | None = None
    dataset: str | None = None
    volatile: tuple[str, ...] = ()

    @property
    def table(self) -> str:
        """Quoted and qualified."""
        return qualified(self.schema, self.name)

    @property
    def live(self) -> list[str]:
        """Conditions for the rows that count: our own, and not tombstoned."""
        marked = self.tombstones or self.tombstone in self.columns
        return [*self.owned, *([f"{ident(self.tombstone)} IS NULL"] if marked else [])]

    @property
    def owned(self) -> list[str]:
        """Conditions for our own rows, in a shared table."""
        own = ((OWNER, self.owner), (DATASET, self.dataset))
        return [f"{ident(name)} = {literal(value)}" for name, value in own if value is not None]

    @property
    def identity(self) -> tuple[str, ...]:
        """Columns that say which source row a row is; the key, or the source's id in a shared table."""
        return (IDENTITY[1],) if self.owner is not None else self.key


def target_of(plan: IngestionPlan, config: PostgresConfig) -> TargetTable:
    """Where a plan's rows go: policy first, then the sink's config, then the source's own names."""
    dataset, policy = plan.unit.dataset, plan.policy
    made = [definition for column in dataset.columns for definition in column.type_definitions]
    return TargetTable(
        schema=policy.target_namespace or config.target_schema or dataset.namespace,
        name=policy.target_name or dataset.name,
        columns={column.name: types.declared_type(column, dataset.dialect) for column in dataset.columns},
        key=plan.unit.primary_key,
        made_types=tuple(dict.fromkeys(made)) if dataset.dialect == "postgres" else (),
        tombstones=plan.on_gone == "tombstone" and bool(plan.unit.primary_key),
    )


def in_own_types(plan: IngestionPlan, target: TargetTable) -> IngestionPlan:
    """The plan with the target's types in place of another database's, so that its slices are ranges here too.

    Texts are ordered by their bytes, as the source has split them.
    """
    dataset = plan.unit.dataset
    if dataset.dialect == "postgres":
        return plan
    own = {name: f'{kind} COLLATE "C"' if kind == "text" else kind for name, kind in target.columns.items()}
    columns = tuple(
        column.model_copy(update={"declared_type": own.get(column.name, column.declared_type)})
        for column in dataset.columns
    )
    unit = plan.unit.model_copy(update={"dataset": dataset.model_copy(update={"columns": columns})})
    return plan.model_copy(update={"unit": unit})


@dataclass(frozen=True)
class ExistingTable:
    """The table as it is.

    Attributes:
        types: Declared type by column name; empty when there is no table.
        generated: Columns that the server computes from others (GENERATED ALWAYS AS): nothing can be written to them.
        identities: Columns that are GENERATED ALWAYS AS IDENTITY: an INSERT can give a value, an UPDATE cannot.
    """

    types: dict[str, str]
    generated: frozenset[str] = frozenset()
    identities: frozenset[str] = frozenset()

    @property
    def exists(self) -> bool:
        """Whether there is such a table."""
        return bool(self.types)


def existing_table(session: SqlSession, target: TargetTable) -> ExistingTable:
    """Look at the table; takes no lock on it."""
    rows = session.rows(
        "SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS declared, "
        "a.attgenerated <> '' AS generated, a.attidentity = 'a' AS identity "
        "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
        "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE n.nspname = {literal(target.schema)} AND c.relname = {literal(target.name)} "
        "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        f"looking at {target.table}",
    )
    return ExistingTable(
        types={name: declared for name, declared, _, _ in rows},
        generated=frozenset(name for name, _, generated, _ in rows if generated),
        identities=frozenset(name for name, _, _, identity in rows if identity),
    )


def has_unique_key(session: SqlSession, target: TargetTable) -> bool:
    """True when a unique index covers exactly the key's columns, none of which may be NULL: ON CONFLICT can use it."""
    wanted = ", ".join(literal(name) for name in sorted(target.key))
    covered = session.value(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index i "
        f"WHERE i.indrelid = {literal(target.table)}::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate "
        "AND i.indpred IS NULL AND i.indexprs IS NULL AND ("
        'SELECT array_agg(a.attname::text ORDER BY a.attname COLLATE "C") FROM pg_catalog.pg_attribute a '
        "WHERE a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey[0:i.indnkeyatts-1]) "
        f"HAVING bool_and(a.attnotnull)) = ARRAY[{wanted}]::text[]) AS found",
        f"looking at the keys of {target.table}",
    )
    return bool(covered)


def statements(target: TargetTable, table: ExistingTable) -> list[str]:
    """DDL that makes the table fit, in order; empty when it does. Columns that the server computes stay as they are.

    An identity that is not part of the key follows the source's value, so it must allow updates.

    Raises:
        SinkSchemaConflictError: A column would have to change in a way that can lose something.
    """
    existing = table.types
    wanted = {name: declared for name, declared in target.columns.items() if name not in table.generated}
    if target.tombstones:
        wanted[target.tombstone] = "timestamp with time zone"
    if not existing:
        return [_create_table(target, wanted)]
    conflicts = [
        f"{name} is {existing[name]} in the sink and {declared} at the source"
        for name, declared in wanted.items()
        if name in existing and not _fits(declared, existing[name]) and not _widens(existing[name], declared)
    ]
    if conflicts:
        raise SinkSchemaConflictError(
            f"{target.table} cannot take the unit's columns: {'; '.join(conflicts)}",
            "Change the column in the sink yourself, or give the unit another target_name; nothing was written.",
            table=target.table,
            conflicts=conflicts,
        )
    added = {name: declared for name, declared in wanted.items() if name not in existing}
    widened = widened_columns(target, table)
    lines = [f"ALTER TABLE {target.table} ADD COLUMN {ident(n)} {d}" for n, d in added.items()]
    lines += [f"ALTER TABLE {target.table} ALTER COLUMN {ident(n)} TYPE {d}" for n, d in widened.items()]
    fixed = [name for name in wanted if target.key and name in table.identities and name not in target.key]
    lines += [f"ALTER TABLE {target.table} ALTER COLUMN {ident(n)} SET GENERATED BY DEFAULT" for n in fixed]
    return lines


def widened_columns(target: TargetTable, table: ExistingTable) -> dict[str, str]:
    """New type by name of the columns that must become wider."""
    wanted = {name: declared for name, declared in target.columns.items() if name not in table.generated}
    return {n: d for n, d in wanted.items() if n in table.types and not _fits(d, table.types[n])}


def refuse_views(session: Session, target: TargetTable, widened: Mapping[str, str]) -> None:
    """Name the views that read a column whose type must change: PostgreSQL refuses that, and names one at a time.

    Raises:
        SinkSchemaConflictError: There are such views; nothing was changed.
    """
    names = ", ".join(literal(name) for name in widened)
    read_by = session.rows(
        "SELECT DISTINCT r.ev_class::regclass::text AS view, c.relkind = 'm' AS kept, a.attname::text AS name "
        "FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid "
        "JOIN pg_catalog.pg_class c ON c.oid = r.ev_class "
        "JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid "
        "WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass "
        f"AND d.refobjid = {literal(target.table)}::regclass AND a.attname IN ({names}) ORDER BY 1, 3",
        f"looking for views of {target.table}",
    )
    if not read_by:
        return
    views = {view: "MATERIALIZED VIEW" if kept else "VIEW" for view, kept, _ in read_by}
    columns = dict.fromkeys(name for _, _, name in read_by)
    wider = ", ".join(f"{name} must become {widened[name]}" for name in columns)
    drops = "; ".join(f"DROP {kind} {view}" for view, kind in views.items())
    raise SinkSchemaConflictError(
        f"{target.table}: {wider}, but is read by {', '.join(views)}",
        f"Keep the definition, then {drops}; run again, and make it again. Nothing was written.",
        table=target.table,
        views=list(views),
        columns=list(columns),
    )


def _create_table(target: TargetTable, wanted: dict[str, str]) -> str:
    columns = [f"{ident(name)} {declared}" for name, declared in wanted.items()]
    key = [f"PRIMARY KEY ({', '.join(ident(name) for name in target.key)})"] if target.key else []
    return f"CREATE TABLE {target.table} ({', '.join(columns + key)})"


def _fits(source: str, sink: str) -> bool:
    """True when every value of the source's type can be put into the sink's unchanged."""
    return source == sink or _widens(source, sink)


def _widens(narrow: str, wide: str) -> bool:
    """True when ``wide`` holds every value of ``narrow``."""
    low, high = types.base_type(narrow), types.base_type(wide)
    if low == high:
        return _modifiers_widen(low, types.modifiers(narrow), types.modifiers(wide))
    if high not in _WIDER.get(low, ()):
        return False
    return high != "numeric" or not types.modifiers(wide)


def _modifiers_widen(base: str, narrow: tuple[int, ...], wide: tuple[int, ...]) -> bool:
    if not wide:
        return base != "character"  # bare "character" means one character
    if not narrow:
        return False
    if base == "numeric":
        (p1, s1), (p2, s2) = (*narrow, 0)[:2], (*wide, 0)[:2]
        return s2 >= s1 and p2 - s2 >= p1 - s1
    return base in ("character varying", "bit varying") and wide[0] >= narrow[0]


def type_statements(session: Session, target: TargetTable) -> list[str]:
    """DDL that makes the user types the columns need; an enum that has new labels at the source gets them in place.

    Raises:
        SinkSchemaConflictError: A type of that name exists and is another one.
    """
    there = catalog.made_types(session) if target.made_types else {}
    lines: list[str] = []
    for made in target.made_types:
        if made.name not in there:
            schema = _schema_of(made.name)
            lines += [f"CREATE SCHEMA IF NOT EXISTS {schema}"] if schema else []
            lines.append(_create_type(made))
        elif made.kind == "enum" and there[made.name].kind == "enum":
            lines += _new_labels(made, there[made.name].labels)
        elif made != there[made.name]:
            raise SinkSchemaConflictError(
                f"Type {made.name} is {_in_words(there[made.name])} in the sink and {_in_words(made)} at the source",
                "Change the type in the sink yourself; nothing was written.",
                type=made.name,
            )
    return lines


def _schema_of(name: str) -> str | None:
    """The schema of a qualified name, quoted as it is there."""
    match = re.match(r'("(?:[^"]|"")+"|[^".]+)\.', name)
    return match.group(1) if match else None


def _new_labels(made: TypeDefinition, there: tuple[str, ...]) -> list[str]:
    lines = []
    for index, label in enumerate(made.labels):
        if label not in there:
            first = f" BEFORE {literal(there[0])}" if there else ""
            place = f" AFTER {literal(made.labels[index - 1])}" if index else first
            lines.append(f"ALTER TYPE {made.name} ADD VALUE {literal(label)}{place}")
    return lines


def _in_words(made: TypeDefinition) -> str:
    fields = ", ".join(f"{name} {declared}" for name, declared in made.fields)
    return f"{made.kind} ({fields or made.base_type or ', '.join(made.labels)})"


def _create_type(made: TypeDefinition) -> str:
    if made.kind == "enum":
        return f"CREATE TYPE {made.name} AS ENUM ({', '.join(literal(label) for label in made.labels)})"
    if made.kind == "domain":
        return f"CREATE DOMAIN {made.name} AS {made.base_type}"
    fields = ", ".join(f"{ident(name)} {declared}" for name, declared in made.fields)
    return f"CREATE TYPE {made.name} AS ({fields})"
