"""What an author says of a unit, and what the catalog makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.http.values import type_of
from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.unit import EndpointUnitDescriptor, UnitPolicy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connectors.http.local_filter import LocalFilter
    from contracts.catalog import CatalogSnapshot

_IN_A_PATH = frozenset({"string", "uuid", "int16", "int32", "int64"})
"""Types of keys that requests for child rows can name."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: In tables.
        type: A word of ``connectors.http.values``: ``string``, ``int64``, ``decimal(12,2)``, ``timestamptz``, ``json``…
        at: JSON pointer (RFC 6901) into the row, ``/publisher/name``; ``""`` is the row itself; None: ``/<name>``.
        nullable: False: a row without a value is refused. Key and cursor columns never are nullable.
        zone: For moments that are written without an offset: whose clock wrote them (``Europe/Berlin``).
        comment: What it means.
        declared: What the system calls its type; None: ``type``.
    """

    name: str
    type: str = "string"
    at: str | None = None
    nullable: bool = True
    zone: str | None = None
    comment: str | None = None
    declared: str | None = None

    @property
    def path(self) -> tuple[str, ...]:
        """The pointer's parts."""
        if self.at is None:
            return (self.name,)
        return tuple(part.replace("~1", "/").replace("~0", "~") for part in self.at.split("/")[1:])


@dataclass(frozen=True)
class ApiUnit:
    """A list of the API that can be ingested.

    Attributes:
        name: Of the unit and its table.
        title: For people.
        columns: In order.
        primary_key: Columns that identify a row.
        cursor: Column with the moment of a row's last change, if the API can filter by it: the unit is then read
            incrementally.
        windows: The API takes an end of the time range too (``PageRequest.before``), so that large units are split
            into slices.
        filter: For APIs that do not filter by moments but by a wall clock, to the minute: which clock. Every
            ``PageRequest.since`` and ``before`` is then a moment that this clock names exactly.
        keys_only: The API can list keys alone, so cheaply that incremental runs look for removed rows once a day.
        versions: Columns that are in the list of keys, too, and change when a row does (``version``, ``status``): rows
            that the sink has in another version are read again, whatever the cursor says of them.
        parent: Name of the unit on whose rows these hang, where the API has a list for each of them and none of all
            (``pages/{id}/comments``). Each page request then carries the key of one parent. With a ``cursor``, too,
            each parent is a part with a watermark of its own: projects, spaces, drives. A selector of the parent's
            name, and a field of that name in the settings, choose some of the parents by their keys.
        cdm_model_id: Common model its rows can be mapped to.
        description: What a row is.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    cursor: str | None = None
    windows: bool = False
    filter: LocalFilter | None = None
    keys_only: bool = False
    versions: tuple[str, ...] = ()
    parent: str | None = None
    cdm_model_id: str | None = None
    description: str = ""

    def __post_init__(self) -> None:
        types = {column.name: type_of(column.type, column.zone) for column in self.columns}
        if len(types) < len(self.columns) or not self.primary_key:
            raise ValueError(f"unit {self.name}: every column needs a name of its own, and the unit a primary key")
        if missing := [name for name in (*self.required, *self.versions) if name not in types]:
            raise ValueError(f"unit {self.name}: there is no column {missing[0]}")
        if self.cursor is not None and types[self.cursor].logical != "timestamptz":
            raise ValueError(f"unit {self.name}: cursor {self.cursor} is no moment")
        if (self.windows or self.keys_only) and self.cursor is None:
            raise ValueError(f"unit {self.name}: windows and keys_only need a cursor")
        if self.versions and not self.keys_only:
            raise ValueError(f"unit {self.name}: versions are read from a list of keys_only")

    @property
    def required(self) -> tuple[str, ...]:
        """Key and cursor columns."""
        return (*self.primary_key, *((self.cursor,) if self.cursor else ()))

    def asked_from(self, moment: datetime) -> datetime:
        """The moment that the API is asked by for rows changed from this one on: the same, or one before."""
        return moment if self.filter is None else self.filter.at_or_before(moment)

    def nullable(self, column: Column) -> bool:
        """True when a row may lack a value there."""
        return column.nullable and column.name not in self.required


def check_parents(units: Sequence[ApiUnit]) -> None:
    """Make sure that every parent is a unit, and that its key can be a part of a request.

    Raises:
        ValueError: It is none, it hangs on its own children, or its key is neither text nor a whole number.
    """
    by_name = {unit.name: unit for unit in units}
    for unit in units:
        above = [unit]
        while (name := above[-1].parent) is not None:
            if name not in by_name or by_name[name] in above:
                raise ValueError(f"unit {unit.name}: there is no unit {name} that its rows could hang on")
            above.append(by_name[name])
        for parent in above[1:2]:
            types = {column.name: type_of(column.type, column.zone).logical for column in parent.columns}
            if unfit := [name for name in parent.primary_key if types[name] not in _IN_A_PATH]:
                raise ValueError(f"unit {unit.name}: {parent.name}.{unfit[0]} is neither text nor a whole number")


def datasets(vendor: str, namespace: str, units: Sequence[ApiUnit]) -> tuple[DatasetDescriptor, ...]:
    """All datasets, ordered by id."""
    return tuple(_dataset(vendor, namespace, unit) for unit in sorted(units, key=lambda unit: unit.name))


def units_of(
    catalog: CatalogSnapshot, vendor: str, units: Sequence[ApiUnit], policy: UnitPolicy | None = None
) -> tuple[EndpointUnitDescriptor, ...]:
    """One unit for each of ours that is in the catalog, as the catalog describes it; with this default policy."""
    by_id = {f"{vendor}.{unit.name}": unit for unit in units}
    return tuple(
        _unit(dataset, by_id[dataset.dataset_id], policy or UnitPolicy())
        for dataset in catalog.datasets
        if dataset.dataset_id in by_id
    )


def _unit(dataset: DatasetDescriptor, unit: ApiUnit, policy: UnitPolicy) -> EndpointUnitDescriptor:
    return EndpointUnitDescriptor(
        unit_id=dataset.dataset_id,
        dataset=dataset,
        kind=dataset.dataset_id,
        display_name=unit.title,
        primary_key=dataset.primary_key,
        cursor_candidates=(unit.cursor,) if unit.cursor else (),
        supported_modes=("full", "incremental") if unit.cursor else ("full",),
        cdm_model_id=unit.cdm_model_id,
        default_policy=policy,
    )


def _dataset(vendor: str, namespace: str, unit: ApiUnit) -> DatasetDescriptor:
    return DatasetDescriptor(
        dataset_id=f"{vendor}.{unit.name}",
        kind="entity",
        namespace=namespace,
        name=unit.name,
        columns=tuple(_column(unit, column) for column in unit.columns),
        primary_key=unit.primary_key,
        comment=unit.description or unit.title,
    )


def _column(unit: ApiUnit, column: Column) -> ColumnDescriptor:
    kind = type_of(column.type, column.zone)
    return ColumnDescriptor(
        name=column.name,
        logical_type=kind.logical,
        declared_type=column.type if column.declared is None else column.declared,
        nullable=unit.nullable(column),
        comment=column.comment,
        precision=kind.precision,
        scale=kind.scale,
    )
