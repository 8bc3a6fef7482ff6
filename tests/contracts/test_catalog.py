from datetime import UTC, datetime, timedelta

import pytest

from contracts.catalog import (
    CatalogDiff,
    CatalogSnapshot,
    ColumnDescriptor,
    DatasetDescriptor,
    TypeDefinition,
)
from contracts.errors import DatasetNotInCatalogError

START = datetime(2026, 1, 1, tzinfo=UTC)
MOOD = TypeDefinition(name="public.mood", kind="enum", labels=("sad", "ok"))
ID = ColumnDescriptor(name="id", logical_type="int64", declared_type="bigint", nullable=False)
NOTE = ColumnDescriptor(name="note", logical_type="string", declared_type="text")
ORDERS = DatasetDescriptor(
    dataset_id="public.orders",
    kind="table",
    namespace="public",
    name="orders",
    columns=(ID, NOTE),
    primary_key=("id",),
)
ITEMS = ORDERS.model_copy(update={"dataset_id": "public.items", "name": "items"})


def snapshot(*datasets, **more):
    return CatalogSnapshot(**({"endpoint_id": "shop", "collected_at": START, "datasets": datasets} | more))


def orders(**changes):
    return ORDERS.model_copy(update=changes)


def note(**changes):
    return orders(columns=(ID, NOTE.model_copy(update=changes)))


def changed_lines(after):
    difference = snapshot(after).diff(snapshot(ORDERS))
    assert (difference.added, difference.removed) == ((), ())
    return difference.changed.get("public.orders", ())


def test_a_dataset_is_found_by_its_exact_id():
    catalog = snapshot(ITEMS, ORDERS)
    assert catalog.dataset("public.orders") is ORDERS
    assert ORDERS.column("note") is NOTE
    assert ORDERS.column("Note") is None
    with pytest.raises(DatasetNotInCatalogError) as caught:
        catalog.dataset("public.Orders")
    assert caught.value.facts == {"endpoint_id": "shop", "dataset_id": "public.Orders"}


def test_a_snapshot_survives_json():
    catalog = snapshot(ITEMS, note(type_definitions=(MOOD,)), source_version="18.1")
    again = CatalogSnapshot.model_validate_json(catalog.model_dump_json())
    assert (again, again.version) == (catalog, catalog.version)


@pytest.mark.parametrize(
    "same",
    [
        snapshot(ORDERS, collected_at=START + timedelta(days=1)),
        snapshot(ORDERS, source_version="19"),
        snapshot(orders(rows_estimate=5, bytes_estimate=6)),
        snapshot(orders(comment="All of them")),
        snapshot(orders(properties={"pages": 3})),
        snapshot(note(comment="Free text")),
    ],
)
def test_what_does_not_change_the_version(same):
    assert same.version == snapshot(ORDERS).version
    assert same.diff(snapshot(ORDERS)).empty


STRUCTURAL = {
    "added": orders(columns=(ID, NOTE, NOTE.model_copy(update={"name": "more"}))),
    "removed": orders(columns=(ID,)),
    "type": note(declared_type="varchar(9)"),
    "nullability": note(nullable=False),
    "key": orders(primary_key=("id", "note")),
    "kind": orders(kind="view"),
    "unique": orders(unique_keys=(("note",),)),
    "default": note(default="'none'"),
    "enum": note(type_definitions=(MOOD,)),
    "order": orders(columns=(NOTE, ID)),
}


@pytest.mark.parametrize("after", STRUCTURAL.values(), ids=STRUCTURAL)
def test_what_changes_the_version(after):
    assert snapshot(after).version != snapshot(ORDERS).version


def test_datasets_change_the_version():
    versions = {snapshot(*each).version for each in ((), (ORDERS,), (ITEMS,), (ITEMS, ORDERS))}
    assert len(versions) == 4


@pytest.mark.parametrize(
    ("after", "lines"),
    [
        (STRUCTURAL["added"], ("column more added (text)",)),
        (STRUCTURAL["removed"], ("column note removed",)),
        (STRUCTURAL["type"], ("column note: text -> varchar(9)",)),
        (STRUCTURAL["nullability"], ("column note: not null",)),
        (STRUCTURAL["key"], ("primary key: (id) -> (id, note)",)),
        (STRUCTURAL["kind"], ("kind: table -> view",)),
        (ORDERS, ()),
    ],
)
def test_changes_are_said_in_words(after, lines):
    assert changed_lines(after) == lines


def test_added_and_removed_datasets_are_listed_in_order():
    before = snapshot(ITEMS, ORDERS)
    after = snapshot(*(orders(dataset_id=name) for name in ("public.a", "public.orders", "public.z")))
    assert after.diff(before) == CatalogDiff(added=("public.a", "public.z"), removed=("public.items",))
    assert not after.diff(before).empty
    assert after.diff(after).empty


def test_datasets_come_ordered_by_id():
    with pytest.raises(ValueError, match="ordered"):
        snapshot(*(orders(dataset_id=name) for name in ("public.z", "public.a")))


@pytest.mark.parametrize("name", STRUCTURAL)
def test_a_new_version_has_a_diff(name):
    assert changed_lines(STRUCTURAL[name]) != ()
