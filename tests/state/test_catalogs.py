from datetime import UTC, datetime, timedelta

import pytest

from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor
from contracts.errors import CatalogMissingError
from state.catalogs import Catalogs
from state.memory import MemoryKvStore

START = datetime(2026, 1, 1, tzinfo=UTC)


def snapshot(*names, minute=0, endpoint_id="shop", declared="bigint"):
    column = ColumnDescriptor(name="id", logical_type="int64", declared_type=declared)
    datasets = tuple(
        DatasetDescriptor(dataset_id=name, kind="table", namespace="public", name=name, columns=(column,))
        for name in names
    )
    return CatalogSnapshot(endpoint_id=endpoint_id, collected_at=START + timedelta(minutes=minute), datasets=datasets)


@pytest.fixture
def catalogs():
    return Catalogs(MemoryKvStore())


def test_an_endpoint_never_collected_is_a_typed_error(catalogs):
    for read in (catalogs.load, catalogs.diff):
        with pytest.raises(CatalogMissingError, match="nucleus catalog collect shop"):
            read("shop")


def test_everything_is_new_after_the_first_collection(catalogs):
    assert catalogs.save(snapshot("a", "b")).added == ("a", "b")
    assert catalogs.load("shop") == snapshot("a", "b")
    assert catalogs.diff("shop").added == ("a", "b")


def test_the_latest_and_the_one_before_it_are_kept(catalogs):
    catalogs.save(snapshot("a", "b"))
    catalogs.save(snapshot("b", "c", minute=1))
    difference = catalogs.save(snapshot("b", "d", minute=2, declared="text"))
    assert catalogs.load("shop") == snapshot("b", "d", minute=2, declared="text")
    assert catalogs.diff("shop") == difference
    assert (difference.added, difference.removed) == (("d",), ("c",))
    assert difference.changed == {"b": ("column id: bigint -> text",)}


def test_a_collection_that_found_the_same_differs_in_nothing(catalogs):
    catalogs.save(snapshot("a"))
    assert catalogs.save(snapshot("a", minute=1)).empty
    assert catalogs.load("shop").collected_at == START + timedelta(minutes=1)


def test_endpoints_do_not_mix(catalogs):
    catalogs.save(snapshot("a"))
    catalogs.save(snapshot("b", endpoint_id="wiki"))
    assert catalogs.load("shop") == snapshot("a")
    assert catalogs.remove("shop") is True
    assert catalogs.remove("shop") is False
    assert catalogs.load("wiki") == snapshot("b", endpoint_id="wiki")
    with pytest.raises(CatalogMissingError):
        catalogs.load("shop")
