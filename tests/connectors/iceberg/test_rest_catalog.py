"""The same sink over a REST catalog and S3: SeaweedFS. The whole suite of sinks under `make prove`."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from pyiceberg.catalog.rest import RestCatalog
from requests.exceptions import ConnectionError as ConnectionLostError

from connectors.iceberg import receipts, runs
from connectors.iceberg.config import IcebergConfig
from contracts import errors
from sandbox.faults import CuttableTcp, FaultyProxy
from sandbox.seaweedfs.server import SandboxSeaweed
from tests.conformance.sink_suite import REF, SinkSuite, begin, error_of, keys_of, plan_of, reader_of, write
from tests.connectors.iceberg.warehouse import Warehouse
from tests.exactness.executors import PROVE


@pytest.fixture(scope="module")
def server():
    with SandboxSeaweed() as running:
        yield running


class RestWarehouse(Warehouse):
    """Sinks over the server, and a look at their tables by a catalog of its own."""

    def __init__(self, server: SandboxSeaweed, **settings: Any) -> None:
        self.config = IcebergConfig.model_validate(
            {
                "catalog_type": "rest",
                "uri": server.catalog_url,
                "warehouse": f"s3://{server.table_bucket}",
                "credential": f"{server.access_key_id}:{server.secret_access_key}",
                "properties": {
                    "s3.endpoint": server.endpoint_url,
                    "s3.region": server.region,
                    "s3.access-key-id": server.access_key_id,
                },
                "secret_properties": {"s3.secret-access-key": server.secret_access_key},
                **settings,
            }
        )
        self.looking = self.sink()
        self.catalog = self.looking._catalog.opened

    def cut_before_commit(self, write):
        lost = mock.Mock(side_effect=ConnectionLostError("connection reset"))
        with mock.patch.object(RestCatalog, "commit_table", lost):
            return error_of(write)

    def place(self):
        return {}

    def empty(self) -> None:
        for namespace in self.catalog.list_namespaces():
            for table in self.catalog.list_tables(namespace):
                self.catalog.purge_table(table)


@pytest.fixture
def lab(server):
    made = RestWarehouse(server)
    yield made
    made.empty()
    made.looking.close()


@pytest.mark.slow(5)
def test_a_life_of_a_table(lab, monkeypatch):
    """Load, difference, census, a lost connection, a fence, folded receipts, a lock that expires, a compaction."""
    monkeypatch.setattr(receipts, "FOLD_AT", 3)
    sink, plan = lab.sink(), plan_of(slices=6)
    assert write(sink, plan, [(1, "a", 1), (2, "b", 1), (9, "gone", 1)]).strategy == "copy"
    run = begin(sink, plan)
    first = sink.upsert(run, plan, plan.slices[0], reader_of([(2, "new", 2), (3, "c", 2), (1, "a", 1)]))
    assert (first.rows_inserted, first.rows_updated, first.rows_unchanged) == (1, 1, 1)
    cut = lab.cut_before_commit(lambda: sink.upsert(run, plan, plan.slices[1], reader_of([(4, "d", 2)])))
    assert isinstance(cut, errors.SinkUnreachableError)
    for piece in plan.slices[1:]:
        sink.upsert(run, plan, piece, reader_of([(3 + piece.sequence, "d", 2)]))
    assert set(sink.receipts(run)) == {piece.key for piece in plan.slices}
    assert sink.reconcile(run, plan, keys_of(range(1, 9)))[0].rows_deleted == 1
    newer = lab.sink()
    newer.begin_run(REF, "newer", plan)
    with pytest.raises(errors.RunSupersededError):
        sink.remove(run, plan, keys_of([1]))
    with sink.exclusive(REF):
        assert newer.is_locked(REF)
        with pytest.raises(errors.RunInProgressError), newer.exclusive(REF):
            raise AssertionError("two at once")
    monkeypatch.setattr(runs, "LEASE_S", -1.0)  # as one whose process died long ago
    monkeypatch.setattr(runs.RunRecords, "_renew", lambda *_: None)
    with sink.exclusive(REF), newer.exclusive(REF):
        pass
    assert sink.compact(REF)
    expected = {1: "a", 2: "new", 3: "c", **dict.fromkeys(range(4, 9), "d")}
    assert {row[0]: row[1] for row in lab.rows(plan)} == expected
    for each in (sink, newer):
        each.close()


_FAULTS = {
    "a commit's answer is cut": lambda catalog, _: catalog.cut_after(10, 1),
    "the catalog fails once": lambda catalog, _: catalog.fail_next(1, 500, "POST"),
    "the catalog is overloaded": lambda catalog, _: catalog.fail_next(2, 503),
    "the catalog is gone": lambda catalog, _: catalog.drop_everything(),
    "connections to storage are cut": lambda _, storage: storage.cut(),
    "storage is gone for a moment": lambda _, storage: (storage.refuse(0.3), storage.cut()),
}


@pytest.mark.slow(10)
def test_faults_of_catalog_and_storage(server):
    """What fails says so with a typed error; tried again until it works, no row is lost or doubled."""
    plan, failed = plan_of(slices=len(_FAULTS)), {}
    with FaultyProxy(server.catalog_url) as catalog, CuttableTcp(server.s3_port) as storage:
        plain = RestWarehouse(server)
        properties = {**plain.config.properties, "s3.endpoint": f"http://127.0.0.1:{storage.port}"}
        sink = RestWarehouse(server, uri=catalog.url, properties=properties).looking
        write(sink, plan, [(0, "old", 0), (99, "old", 0)])
        run = begin(sink, plan)
        for piece, (name, break_it) in zip(plan.slices, _FAULTS.items(), strict=True):
            rows = [(0, name, piece.sequence), (piece.sequence + 1, name, 1), (piece.sequence + 50, name, 1)]
            break_it(catalog, storage)
            for _ in range(10):
                try:
                    receipt = sink.upsert(run, plan, piece, reader_of(rows))
                    break
                except errors.UpsertError as error:
                    failed[name] = error
                    catalog.heal()
            assert (receipt.rows_inserted, receipt.rows_updated) == (2, 1), name
        assert set(sink.receipts(run)) == {piece.key for piece in plan.slices}
        found = plain.rows(plan)
        assert [row[0] for row in found] == [*range(len(_FAULTS) + 1), *range(50, 50 + len(_FAULTS)), 99]
        assert found[0] == (0, name, len(_FAULTS) - 1)
        assert isinstance(failed["the catalog is gone"], errors.SinkUnreachableError)
        plain.empty()
        for each in (plain.looking, sink):
            each.close()


if PROVE:

    class TestIcebergSinkOverRest(SinkSuite):
        """Names of any kind are the SQL catalog's business: this server takes lower-case ones only."""

        test_names_of_any_kind_survive = None
        test_many_units_start_at_once_in_a_new_place = None
        test_without_privileges = None

        @pytest.fixture
        def lab(self, server):
            made = RestWarehouse(server)
            yield made
            made.empty()
            made.looking.close()
