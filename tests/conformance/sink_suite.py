"""What every ``SinkEndpoint`` of raw rows does. Subclass it, give ``lab``, and the sink is tested.

The lab is the test's hand on the system behind the sink: it looks at tables without the sink and breaks things. The
suite speaks to the sink in plans, receipts and staged readers alone, of a source that has no dialect.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl
import pytest

from contracts import errors
from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.lookup import SupportsKeySearch
from contracts.plan import IngestionPlan, IngestionSlice
from contracts.receipts import RunRef
from contracts.staging import StagingContext
from contracts.traits import SupportsContentHash, SupportsLockCheck, SupportsReconcile
from contracts.unit import EndpointUnitDescriptor, UnitPolicy
from staging.memory import MemoryStaging

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from contracts.endpoint import SinkEndpoint
    from contracts.receipts import RunHandle, UpsertReceipt
    from contracts.staging import RecordReader

REF = RunRef(endpoint_id="shop", unit_id="things", sink_id="warehouse")
COLUMNS = {"id": "int64", "name": "string", "changed": "int64"}
SCHEMA = {"id": pl.Int64, "name": pl.String, "changed": pl.Int64}
ODD_NAMES = (
    "Case",
    "case",
    "with space",
    " ",
    'quo"te',
    '""',
    "it's",
    "select",
    "user",
    "order",
    "naïve 漢字 🧊",
    "a.b",
    "$1",
    "%s",
    "back\\slash",
    "x" * 63,
    "tableoid_",
    "; drop table things",
    "w",
    "t",
    "excluded",
)


class SinkLab(Protocol):
    """Looks at what the sink wrote, and breaks it."""

    def sink(self) -> SinkEndpoint:
        """A sink with all the rights it needs."""
        ...

    def restricted_sink(self) -> SinkEndpoint:
        """A sink that may connect, but not write."""
        ...

    def rows(self, plan: IngestionPlan) -> list[tuple[Any, ...]]:
        """The plan's columns of every row of its table (tombstoned ones too), ordered by the first column."""
        ...

    def versions(self, plan: IngestionPlan) -> dict[Any, Hashable]:
        """By value of the first column, something that changes whenever the row is written."""
        ...

    def make_without_key(self, plan: IngestionPlan) -> None:
        """Make the plan's table, without any unique key."""
        ...

    def drop(self, plan: IngestionPlan) -> None:
        """Drop the plan's table."""
        ...

    def cut_before_commit(self, write: Callable[[], object]) -> BaseException | None:
        """Run ``write`` and kill its connection when rows are written and the receipt is not; what it raised."""
        ...


class SinkSuite:
    """Behaviour every sink shares."""

    @pytest.fixture
    def lab(self) -> SinkLab:
        raise NotImplementedError

    @pytest.fixture
    def sink(self, lab: SinkLab) -> Iterable[SinkEndpoint]:
        sink = lab.sink()
        yield sink
        sink.close()

    def test_connection(self, sink):
        assert sink.test_connection().server_version
        assert "sink" in sink.descriptor.roles

    def test_capabilities_are_the_traits(self, sink):
        capabilities = sink.descriptor.capabilities
        assert ("sink.delete_detection" in capabilities) == isinstance(sink, SupportsReconcile)
        assert ("verify.content" in capabilities) == isinstance(sink, SupportsContentHash)
        assert ("sink.cdm" in capabilities) == bool(sink.supported_cdm_models)

    def test_provision_is_idempotent_and_adds_columns(self, lab, sink):
        assert sink.provision(plan_of())
        assert sink.provision(plan_of()) == ()
        write(sink, plan_of(), [(1, "a", 1)])
        wider = plan_of({**COLUMNS, "extra": "float64"})
        assert len(sink.provision(wider)) == 1
        assert sink.provision(wider) == ()
        assert lab.rows(wider) == [(1, "a", 1, None)]
        assert sink.provision(plan_of()) == ()

    @pytest.mark.parametrize(
        ("narrow", "wide"), [("int16", "int32"), ("int32", "int64"), ("int64", "decimal"), ("float32", "float64")]
    )
    def test_safe_widening_both_ways(self, lab, sink, narrow, wide):
        old, new = plan_of({"id": "int64", "n": narrow}), plan_of({"id": "int64", "n": wide})
        write(sink, old, [(1, 5)], {"id": pl.Int64, "n": pl.Int16 if "int" in narrow else pl.Float32})
        assert len(sink.provision(new)) == 1
        assert sink.provision(new) == ()
        assert sink.provision(old) == (), "the sink is wider than the source and stays so"
        write(sink, old, [(2, 6)], {"id": pl.Int64, "n": pl.Int16 if "int" in narrow else pl.Float32})
        assert [(key, float(n)) for key, n in lab.rows(new)] == [(1, 5.0), (2, 6.0)]

    @pytest.mark.parametrize(("before", "after"), [("string", "int64"), ("timestamp", "bool"), ("json", "uuid")])
    def test_an_incompatible_change_is_named_and_writes_nothing(self, lab, sink, before, after):
        old, new = plan_of({"id": "int64", "n": before}), plan_of({"id": "int64", "n": after, "more": "string"})
        sink.provision(old)
        with pytest.raises(errors.SinkSchemaConflictError) as caught:
            sink.provision(new)
        assert "n is" in str(caught.value)
        assert caught.value.facts["conflicts"]
        assert sink.provision(old) == ()
        assert lab.rows(old) == []

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_names_of_any_kind_survive(self, lab, sink, name):
        plan = plan_of({name: "int64", "other": "string"}, key=(name,), target_name=name, target_namespace=name)
        schema = {name: pl.Int64, "other": pl.String}
        assert write(sink, plan, [(1, "a"), (2, "b")], schema).rows_inserted == 2
        assert write(sink, plan, [(1, "a"), (2, "c"), (2, "d")], schema).rows_updated == 1
        assert lab.rows(plan) == [(1, "a"), (2, "d")]

    def test_names_that_do_not_fit_are_refused(self, sink):
        for long in ("x" * 64, "ü" * 32, "nul\0", ""):
            with pytest.raises(errors.SinkNameError):
                sink.provision(plan_of({"id": "int64", long: "string"}))
        for field in ("target_name", "target_namespace"):
            with pytest.raises(errors.SinkNameError) as caught:
                sink.provision(plan_of(**{field: "x" * 64}))
            assert caught.value.facts["size_bytes"] == 64

    def test_many_units_start_at_once_in_a_new_place(self, lab):
        sinks = [lab.sink() for _ in range(6)]
        plans = [plan_of(target_name=f"t{i}", target_namespace="brand new") for i in range(6)]

        def start(i: int) -> int:
            ref = REF.model_copy(update={"unit_id": f"t{i}"})
            sinks[i].last_run(ref)
            sinks[i].provision(plans[i])
            return sinks[i].begin_run(ref, "one", plans[i]).epoch

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(start, range(6))) == [1] * 6
        for one in sinks:
            one.close()

    def test_upsert_twice_changes_nothing(self, lab, sink):
        plan, rows = plan_of(), [(i, f"row {i}", i) for i in range(50)]
        first = write(sink, plan, rows)
        assert (first.rows_inserted, first.rows_updated, first.rows_unchanged) == (50, 0, 0)
        versions = lab.versions(plan)
        second = write(sink, plan, rows)
        assert (second.rows_inserted, second.rows_updated, second.rows_unchanged) == (0, 0, 50)
        assert lab.versions(plan) == versions

    def test_only_new_and_different_rows_are_written(self, lab, sink):
        plan = plan_of()
        write(sink, plan, [(i, "old", i) for i in range(10)])
        before = lab.versions(plan)
        receipt = write(sink, plan, [(i, "new" if i == 3 else "old", i) for i in range(3, 12)])
        assert (receipt.rows_inserted, receipt.rows_updated, receipt.rows_unchanged) == (2, 1, 6)
        after = lab.versions(plan)
        assert {key for key in before if before[key] != after[key]} == {3}
        assert len(lab.rows(plan)) == 12

    def test_null_and_empty_are_two_things(self, lab, sink):
        plan = plan_of()
        write(sink, plan, [(1, None, None), (2, "", 0)])
        assert write(sink, plan, [(1, "", 0), (2, None, None)]).rows_updated == 2
        assert lab.rows(plan) == [(1, "", 0), (2, None, None)]

    @pytest.mark.parametrize("prefilled", [False, True])
    def test_duplicates_in_a_slice(self, lab, sink, prefilled):
        rows = [(1, "late", 9), (1, "early", 3), (2, "first", 5), (2, "second", 5), (3, "none", None), (3, "some", 1)]
        for cursor, expected in ((("changed",), "late"), ((), "early")):
            plan = plan_of(cursor_columns=cursor, target_name=f"things_{prefilled}_{len(cursor)}".lower())
            if prefilled:
                write(sink, plan, [(0, "there", 0), (1, "there", 0)])
            receipt = write(sink, plan, rows)
            assert receipt.rows_duplicate == 3
            assert receipt.rows_inserted + receipt.rows_updated == 3
            names = {row[0]: row[1] for row in lab.rows(plan) if row[0]}
            assert names == {1: expected, 2: "second", 3: "some"}

    def test_keys_of_several_columns(self, lab, sink):
        columns, schema = {"a": "int64", "b": "string", "v": "int64"}, {"a": pl.Int64, "b": pl.String, "v": pl.Int64}
        plan = plan_of(columns, key=("b", "a"))
        write(sink, plan, [(1, "x", 1), (1, "y", 2), (2, "x", 3)], schema)
        receipt = write(sink, plan, [(1, "y", 5), (2, "y", 6), (1, "x", 1)], schema)
        assert (receipt.rows_inserted, receipt.rows_updated, receipt.rows_unchanged) == (1, 1, 1)
        assert sorted(lab.rows(plan)) == [(1, "x", 1), (1, "y", 5), (2, "x", 3), (2, "y", 6)]

    def test_without_a_key_the_whole_is_replaced_and_never_seen_empty(self, lab, sink):
        plan = plan_of(key=())
        write(sink, plan, [(i, "same", 0) for i in range(500)])
        seen: set[int] = set()
        over = threading.Event()

        def watch() -> None:
            while not over.is_set():
                seen.add(len(lab.rows(plan)))

        watcher = threading.Thread(target=watch)
        watcher.start()
        for _ in range(6):
            receipt = write(sink, plan, [(i, "same", 0) for i in range(700)])
        over.set()
        watcher.join()
        assert (receipt.rows_inserted, receipt.rows_deleted, receipt.strategy) == (700, 700, "replace")
        assert seen <= {500, 700}
        assert write(sink, plan, []).rows_deleted == 700
        assert lab.rows(plan) == []

    def test_an_empty_slice_leaves_a_receipt(self, lab, sink):
        plan = plan_of()
        run = begin(sink, plan)
        receipt = sink.upsert(run, plan, plan.slices[0], reader_of([]))
        assert receipt.rows_staged == 0
        assert sink.receipts(run) == {"00000": receipt}

    def test_a_slice_is_written_once(self, lab, sink):
        plan = plan_of()
        run = begin(sink, plan)
        receipt = sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1)]))
        again = sink.upsert(run, plan, plan.slices[0], reader_of([(1, "b", 1), (2, "b", 1)]))
        assert again == receipt
        assert lab.rows(plan) == [(1, "a", 1)]

    def test_slices_side_by_side(self, lab, sink):
        plan = plan_of(slices=8)
        run = begin(sink, plan)

        def one(piece: IngestionSlice) -> UpsertReceipt:
            rows = [(piece.sequence * 100 + i, "x", 0) for i in range(100)]
            return sink.upsert(run, plan, piece, reader_of(rows))

        with ThreadPoolExecutor(4) as pool:
            receipts = list(pool.map(one, plan.slices))
        assert sum(receipt.rows_inserted for receipt in receipts) == 800
        assert sink.receipts(run) == {receipt.slice_key: receipt for receipt in receipts}
        assert len(lab.rows(plan)) == 800

    @pytest.mark.parametrize("prefilled", [False, True])
    def test_rows_and_receipt_come_together_or_not_at_all(self, lab, sink, prefilled):
        plan = plan_of()
        sink.provision(plan)
        if prefilled:
            write(sink, plan, [(1, "there", 0)])
        before = lab.rows(plan)
        run = begin(sink, plan)
        rows = [(1, "a", 1), (2, "b", 2)]
        raised = lab.cut_before_commit(lambda: sink.upsert(run, plan, plan.slices[0], reader_of(rows)))
        assert isinstance(raised, errors.SinkUnreachableError)
        assert lab.rows(plan) == before
        assert sink.receipts(run) == {}
        assert sink.upsert(run, plan, plan.slices[0], reader_of(rows)).rows_staged == 2
        assert lab.rows(plan) == rows

    def test_an_overtaken_run_writes_nothing(self, lab, sink):
        plan = plan_of(slices=2)
        old = begin(sink, plan)
        sink.upsert(old, plan, plan.slices[0], reader_of([(1, "a", 1)]))
        newer = lab.sink()
        for run_id in (old.run_id, "another"):
            run = newer.begin_run(REF, run_id, plan)
            assert run.epoch > old.epoch
            with pytest.raises(errors.RunSupersededError) as caught:
                sink.upsert(old, plan, plan.slices[1], reader_of([(2, "b", 2)]))
            assert caught.value.facts["newer_epoch"] == run.epoch
            with pytest.raises(errors.RunSupersededError):
                sink.finish_run(old, None)
            if isinstance(sink, SupportsReconcile):
                with pytest.raises(errors.RunSupersededError):
                    sink.reconcile(old, plan, keys_of([]))
        assert lab.rows(plan) == [(1, "a", 1)]
        assert newer.last_run(REF).finished_at is None
        newer.close()

    def test_one_run_at_a_time(self, lab, sink):
        other = lab.sink()
        with sink.exclusive(REF):
            with pytest.raises(errors.RunInProgressError), other.exclusive(REF):
                raise AssertionError("two at once")
            with other.exclusive(REF.model_copy(update={"unit_id": "another"})):
                pass
        for _ in range(20):  # the lock of a run that failed is free when its error is seen
            with pytest.raises(ZeroDivisionError), sink.exclusive(REF):
                raise ZeroDivisionError
            with other.exclusive(REF):
                pass
        other.close()

    def test_asking_for_the_lock_never_takes_it(self, lab, sink):
        if not isinstance(sink, SupportsLockCheck):
            return
        other, asked, over = lab.sink(), [], threading.Event()

        def ask() -> None:
            while not over.is_set():
                asked.append(other.is_locked(REF))

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for _ in range(20):
                with sink.exclusive(REF):
                    assert sink.is_locked(REF)
                    assert not sink.is_locked(REF.model_copy(update={"unit_id": "another"}))
        finally:
            over.set()
            asking.join()
        assert asked
        assert not sink.is_locked(REF)
        other.close()

    def test_a_resumed_run_keeps_its_receipts_and_a_new_one_forgets_them(self, lab, sink):
        plan = plan_of(slices=2)
        first = begin(sink, plan)
        assert first.target_was_empty
        receipt = sink.upsert(first, plan, plan.slices[0], reader_of([(1, "a", 1)]))
        sink.close()
        resumed = sink.begin_run(REF, first.run_id, plan)
        assert resumed.epoch == first.epoch + 1
        assert resumed.target_was_empty
        assert sink.receipts(resumed) == {"00000": receipt}
        frozen = sink.last_run(REF)
        assert (frozen.run_id, frozen.epoch, frozen.finished_at) == (first.run_id, resumed.epoch, None)
        assert frozen.plan == plan
        sink.finish_run(resumed, {"value": 7})
        assert sink.last_run(REF).checkpoint == {"value": 7}
        assert sink.last_run(REF).finished_at >= frozen.started_at
        new = sink.begin_run(REF, "new", plan)
        assert sink.receipts(new) == {}
        assert not new.target_was_empty
        assert sink.last_run(REF).checkpoint is None

    def test_nobody_ran_yet(self, sink):
        assert sink.last_run(REF) is None

    @pytest.mark.parametrize("policy", ["delete", "tombstone", "ignore"])
    def test_rows_that_are_gone(self, lab, sink, policy):
        if not isinstance(sink, SupportsReconcile):
            return
        plan = plan_of(on_gone=policy)
        write(sink, plan, [(i, "x", 0) for i in range(10)])
        run = begin(sink, plan)
        census, missing = sink.reconcile(run, plan, keys_of(list(range(2, 12))))
        assert (census.rows_at_source, census.rows_in_sink, census.rows_gone) == (10, 10, 2)
        assert (census.rows_deleted, census.rows_tombstoned) == {"delete": (2, 0), "tombstone": (0, 2)}.get(
            policy, (0, 0)
        )
        assert sorted(int(key["id"]) for key in missing) == [10, 11]
        assert census.rows_missing == 2
        assert sink.count_rows(plan) == {"ignore": 10}.get(policy, 8)
        assert len(lab.rows(plan)) == {"delete": 8}.get(policy, 10)
        write(sink, plan, [(i, "x", 0) for i in (0, 10, 11)])
        assert sink.count_rows(plan) == {"ignore": 12}.get(policy, 11)

    def test_more_missing_keys_than_can_be_repaired_are_a_gap(self, lab, sink):
        if not isinstance(sink, SupportsReconcile):
            return
        plan = plan_of()
        run = begin(sink, plan)
        with pytest.raises(errors.CompletenessGapError):
            sink.reconcile(run, plan, keys_of(list(range(10_001))))
        assert len(sink.reconcile(run, plan, keys_of(list(range(10_000))))[1]) == 10_000

    def test_a_tombstoned_row_that_returns_lives_again(self, lab, sink):
        if not isinstance(sink, SupportsReconcile):
            return
        plan = plan_of(on_gone="tombstone")
        write(sink, plan, [(1, "a", 1), (2, "b", 2)])
        sink.reconcile(begin(sink, plan), plan, keys_of([2]))
        assert sink.count_rows(plan) == 1
        again = sink.reconcile(begin(sink, plan), plan, keys_of([2]))[0]
        assert (again.rows_gone, again.rows_tombstoned) == (0, 0)
        assert write(sink, plan, [(1, "a", 1), (2, "b", 2)]).rows_updated == 1
        assert sink.count_rows(plan) == 2

    @pytest.mark.parametrize("policy", ["delete", "tombstone", "ignore"])
    def test_rows_that_the_source_names_as_gone(self, lab, sink, policy):
        if not isinstance(sink, SupportsReconcile):
            return
        plan = plan_of(on_gone=policy)
        write(sink, plan, [(1, "a", 1), (2, "b", 2), (3, "c", 3)])
        receipt = sink.remove(begin(sink, plan), plan, keys_of([2, 99]))
        assert (receipt.rows_gone, receipt.rows_deleted, receipt.rows_tombstoned) == (
            1, int(policy == "delete"), int(policy == "tombstone"),
        )  # fmt: skip
        assert sink.count_rows(plan) == (3 if policy == "ignore" else 2)

    def test_the_guard_stops_before_a_table_is_emptied(self, lab, sink):
        if not isinstance(sink, SupportsReconcile):
            return
        plan = plan_of(max_delete_fraction=0.3)
        write(sink, plan, [(i, "x", 0) for i in range(10)])
        run = begin(sink, plan)
        with pytest.raises(errors.DeleteGuardError) as caught:
            sink.reconcile(run, plan, keys_of(list(range(4, 10))))
        assert caught.value.facts["rows_gone"] == 4
        assert len(lab.rows(plan)) == 10
        assert sink.reconcile(run, plan, keys_of(list(range(3, 10))))[0].rows_deleted == 3
        assert sink.reconcile(begin(sink, plan), plan_of(on_gone="ignore"), keys_of([]))[0].rows_gone == 7

    def test_keys_are_found_and_versions_compared(self, sink):
        """What is not listed is named, by key or by another column; a row in another version is missing."""
        if not (isinstance(sink, SupportsReconcile) and isinstance(sink, SupportsKeySearch)):
            return
        plan = plan_of()
        write(sink, plan, [(i, "ab"[i % 2], 0) for i in range(6)])
        name = next(column for column in COLUMNS if column != "id")
        found = {
            "all": sink.find_keys(plan),
            "listed": sink.find_keys(plan, keys_of([1, 2, 99])),
            "not listed": sink.find_keys(plan, keys_of([1, 2, 99]), absent=True),
            "by column": sink.find_keys(plan, reader_of([("a",)], {name: pl.String})),
        }
        ids = {what: sorted(i for frame in frames for i in pl.DataFrame(frame)["id"]) for what, frames in found.items()}
        assert ids == {
            "all": ["0", "1", "2", "3", "4", "5"],
            "listed": ["1", "2"],
            "not listed": ["0", "3", "4", "5"],
            "by column": ["0", "2", "4"],
        }
        listed = [(0, "a"), (1, None), (2, "c"), (3, "b"), (4, "a"), (5, "b")]
        census, missing = sink.reconcile(begin(sink, plan), plan, reader_of(listed, {"id": pl.Int64, name: pl.String}))
        assert (census.rows_gone, missing) == (0, ({"id": "2"},)), "null says nothing"

    def test_a_value_that_the_sink_cannot_hold(self, lab, sink):
        plan = plan_of()
        run = begin(sink, plan)
        with pytest.raises(errors.SinkValueError):
            sink.upsert(run, plan, plan.slices[0], reader_of([(1, "fine", 1), (2, "nul \0 here", 2)]))
        assert lab.rows(plan) == []
        assert sink.receipts(run) == {}
        assert sink.upsert(run, plan, plan.slices[0], reader_of([(1, "fine", 1)])).rows_inserted == 1

    def test_a_key_that_is_null(self, lab, sink):
        plan = plan_of()
        for _ in range(2):
            with pytest.raises(errors.SinkValueError):
                write(sink, plan, [(1, "a", 1), (None, "b", 2)])
        assert lab.rows(plan) == []

    def test_without_privileges(self, lab, sink):
        plan = plan_of()
        restricted = lab.restricted_sink()
        with pytest.raises(errors.SinkPrivilegeError):
            write(restricted, plan, [(1, "a", 1)])
        write(sink, plan, [(1, "a", 1)])
        with pytest.raises(errors.SinkPrivilegeError):
            write(restricted, plan, [(1, "b", 1)])
        assert lab.rows(plan) == [(1, "a", 1)]
        restricted.close()

    def test_a_table_without_the_key_is_a_conflict(self, lab, sink):
        plan = plan_of()
        lab.make_without_key(plan)
        with pytest.raises(errors.SinkSchemaConflictError, match="unique key"):
            sink.provision(plan)
        assert sink.provision(plan_of(key=())) == ()

    def test_a_table_that_is_dropped_mid_run(self, lab, sink):
        plan = plan_of(slices=2)
        run = begin(sink, plan)
        sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1)]))
        lab.drop(plan)
        with pytest.raises(errors.IngestionError) as caught:
            sink.upsert(run, plan, plan.slices[1], reader_of([(2, "b", 2)]))
        assert isinstance(caught.value, errors.SinkNotProvisionedError)
        assert write(sink, plan, [(1, "a", 1), (2, "b", 2)]).rows_inserted == 2

    def test_a_closed_sink_can_be_used_again(self, sink):
        sink.close()
        sink.close()
        assert sink.test_connection().ok


def plan_of(
    columns: dict[str, str] | None = None, *, key: Sequence[str] = ("id",), slices: int = 1, **policy: Any
) -> IngestionPlan:
    """A plan of a source without dialect, for the table ``suite.things``."""
    described = [ColumnDescriptor(name=n, logical_type=t, declared_type=t) for n, t in (columns or COLUMNS).items()]
    key = [name for name in key if name in (columns or COLUMNS)]
    dataset = DatasetDescriptor(
        dataset_id="things", kind="entity", namespace="suite", name="things", columns=described, primary_key=key
    )
    unit = EndpointUnitDescriptor(
        unit_id="things", dataset=dataset, kind="entity", display_name="things", primary_key=key
    )
    pieces = [IngestionSlice(key=f"{i:05d}", sequence=i) for i in range(slices)]
    return IngestionPlan(
        endpoint_id="shop", unit=unit, mode="full", strategy="test", slices=pieces, policy=UnitPolicy(**policy)
    )


def begin(sink: SinkEndpoint, plan: IngestionPlan) -> RunHandle:
    """A new run with an id of its own."""
    previous = sink.last_run(REF)
    sink.provision(plan)
    return sink.begin_run(REF, f"run-{previous.epoch + 1 if previous else 1}", plan)


def write(
    sink: SinkEndpoint, plan: IngestionPlan, rows: Sequence[tuple[Any, ...]], schema: Any = None
) -> UpsertReceipt:
    """One whole run of one slice."""
    run = begin(sink, plan)
    receipt = sink.upsert(run, plan, plan.slices[0], reader_of(rows, schema))
    sink.finish_run(run, None)
    return receipt


def error_of(write: Callable[[], object]) -> Exception | None:
    """What it raised."""
    try:
        write()
    except Exception as error:
        return error
    return None


def reader_of(rows: Sequence[tuple[Any, ...]], schema: Any = None) -> RecordReader:
    """The rows, staged in two batches."""
    context = StagingContext(
        endpoint_id="shop", unit_id="things", run_id="run", slice_key="00000", sequence=0, attempt="1"
    )
    session = MemoryStaging().allocate_session(context)
    frame = pl.DataFrame(rows, schema=schema or SCHEMA, orient="row")
    writer = session.writer()
    for part in (frame[: len(frame) // 2], frame[len(frame) // 2 :]):
        writer.write_batch(part)
    session.seal()
    return session.reader()


def keys_of(keys: Sequence[int]) -> RecordReader:
    return reader_of([(key,) for key in keys], {"id": pl.Int64})
