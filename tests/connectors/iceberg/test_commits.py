"""The fence, conflicts and unknown outcomes, receipts of long runs, and upkeep beside a run."""

from __future__ import annotations

from unittest import mock

import polars as pl
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.update import AddSnapshotUpdate
from sqlalchemy.exc import OperationalError

from connectors.iceberg import receipts
from contracts import errors
from flows.stages.plan import RunRequest, require_sink
from tests.conformance.cdm_sink_suite import MODEL
from tests.conformance.sink_suite import REF, begin, keys_of, plan_of, reader_of, write
from tests.connectors.iceberg.staged import staged
from tests.connectors.iceberg.warehouse import Warehouse


@pytest.fixture
def lab(tmp_path):
    made = Warehouse(tmp_path / "warehouse")
    yield made
    made.catalog.close()


@pytest.fixture
def sink(lab):
    sink = lab.sink()
    yield sink
    sink.close()


def adds_snapshot(updates):
    return any(isinstance(update, AddSnapshotUpdate) for update in updates)


class Between:
    """Does something between the last look at the table and the catalog's commit, once."""

    def __init__(self, action, *, before=True, then=None):
        self.action, self.before, self.then, self.done = action, before, then, False

    def __enter__(self):
        commit = SqlCatalog.commit_table

        def committed(catalog, table, requirements, updates):
            first = not self.done and table.name()[0] == "suite" and adds_snapshot(updates)
            if first:
                self.done = True
                self.action()
            answer = commit(catalog, table, requirements, updates) if self.before or not first else None
            if first and self.then is not None:
                raise self.then
            return answer

        self._patch = mock.patch.object(SqlCatalog, "commit_table", committed)
        self._patch.start()
        return self

    def __exit__(self, *_):
        self._patch.stop()
        assert self.done


def test_a_run_that_is_overtaken_between_its_last_look_and_its_commit(lab, sink):
    plan = plan_of(slices=2)
    old = begin(sink, plan)
    newer = lab.sink()
    with Between(lambda: newer.begin_run(REF, "newer", plan)), pytest.raises(errors.RunSupersededError):
        sink.upsert(old, plan, plan.slices[0], reader_of([(1, "a", 1)]))
    assert lab.rows(plan) == []
    assert int(lab.table(plan).properties.get("commit.retry.num-retries", 4)) > 0, "pyiceberg would have tried again"
    newer.close()


def test_an_owner_that_changes_between_the_last_look_and_the_commit(lab, sink):
    plan = plan_of()
    old = begin(sink, plan)
    other = plan.model_copy(update={"endpoint_id": "another"})
    newer = lab.sink()
    with (
        Between(lambda: newer.adopt(REF.model_copy(update={"endpoint_id": "another"}), "newer", other)),
        pytest.raises(errors.SinkOwnerError),
    ):
        sink.upsert(old, plan, plan.slices[0], reader_of([(1, "a", 1)]))
    assert lab.rows(plan) == []
    newer.close()


@pytest.mark.parametrize("prefilled", [False, True])
def test_a_slice_that_comes_between_is_seen(lab, sink, prefilled):
    """Both slices have key 2: the one that comes later finds the other's row, and there is one."""
    plan = plan_of(slices=2)
    if prefilled:
        write(sink, plan, [(2, "old", 0), (5, "old", 0)])
    run = begin(sink, plan)
    other = lab.sink()
    with Between(lambda: other.upsert(run, plan, plan.slices[1], reader_of([(2, "b", 2), (3, "b", 2)]))):
        receipt = sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1), (2, "a", 1)]))
    assert (receipt.rows_inserted, receipt.rows_updated) == (1, 1)
    assert [row for row in lab.rows(plan) if row[0] < 5] == [(1, "a", 1), (2, "a", 1), (3, "b", 2)]
    assert set(sink.receipts(run)) == {"00000", "00001"}
    other.close()


@pytest.mark.parametrize(
    "answer", [OperationalError("COMMIT", {}, Exception("connection lost")), CommitFailedException("409 of a retry")]
)
def test_a_commit_whose_answer_was_lost(lab, sink, answer):
    plan = plan_of()
    run = begin(sink, plan)
    with Between(lambda: None, then=answer):
        receipt = sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1)]))
    assert lab.rows(plan) == [(1, "a", 1)]
    assert sink.receipts(run) == {"00000": receipt}


def test_nothing_is_cleaned_up_after_a_refusal_that_nobody_can_check(lab, sink):
    """The commit landed, its retry was refused, and then the catalog was gone: its files must stay."""
    plan = plan_of()
    run = begin(sink, plan)
    with Between(lambda: None, then=CommitFailedException("409 of a retry")):
        load, lost = sink._catalog.load, iter([None, None])

        def gone(table):
            if table[0] == "suite" and next(lost, "lost") == "lost":
                raise errors.SinkUnreachableError("gone")
            return load(table)

        with mock.patch.object(sink._catalog, "load", gone), pytest.raises(errors.SinkUnreachableError):
            sink.upsert(run, plan, plan.slices[0], reader_of([(1, "a", 1)]))
    assert lab.rows(plan) == [(1, "a", 1)]
    assert sink.upsert(run, plan, plan.slices[0], reader_of([(1, "b", 1)])).rows_inserted == 1
    assert lab.rows(plan) == [(1, "a", 1)]


def test_receipts_of_a_long_run_are_folded(lab, sink, monkeypatch):
    monkeypatch.setattr(receipts, "FOLD_AT", 3)
    plan = plan_of(slices=9)
    run = begin(sink, plan)
    made = {piece.key: sink.upsert(run, plan, piece, reader_of([(piece.sequence, "a", 1)])) for piece in plan.slices}
    assert sink.receipts(run) == made
    assert len(lab.table(plan).metadata.snapshots) < 6
    tagged = lab.table(plan)
    with tagged.manage_snapshots() as manage:
        manage.create_tag(tagged.current_snapshot().snapshot_id, "kept")
    for epoch in (2, 3, 4, 5):
        assert sink.begin_run(REF, run.run_id, plan).epoch == epoch
    run = sink.begin_run(REF, run.run_id, plan)
    made["extra"] = sink.upsert(
        run, plan, plan.slices[0].model_copy(update={"key": "extra"}), reader_of([(20, "a", 1)])
    )
    assert sink.receipts(run) == made
    assert (
        lab.table(plan).scan(snapshot_id=lab.table(plan).snapshot_by_name("kept").snapshot_id).to_arrow().num_rows == 9
    )
    resumed = lab.sink()
    again = resumed.begin_run(REF, run.run_id, plan)
    assert resumed.receipts(again) == made
    assert resumed.upsert(again, plan, plan.slices[0], reader_of([(0, "b", 2)])) == made["00000"]
    resumed.close()


def test_a_compaction_beside_a_run_loses_neither_rows_nor_receipts(lab):
    sink = Warehouse(lab.folder, keep_snapshots_s=0, orphan_grace_s=0).sink()
    plan = plan_of(slices=4)
    for start in (0, 10):
        write(sink, plan, [(start, "old", 0)])
    run = begin(sink, plan)
    made = {
        piece.key: sink.upsert(run, plan, piece, reader_of([(piece.sequence, "new", 1)])) for piece in plan.slices[:3]
    }
    rows = lab.rows(plan)
    lines = sink.compact(REF)
    assert [line.split(": ", 1)[1].split(" ", 1)[1] for line in lines] == [
        "small files written as 1", "snapshots expired", "stray files removed",
    ]  # fmt: skip
    assert lab.rows(plan) == rows
    assert sink.receipts(run) == made
    made["00003"] = sink.upsert(run, plan, plan.slices[3], reader_of([(3, "new", 1)]))
    assert sink.reconcile(run, plan, keys_of([0, 1, 2, 3, 10]))[1] == ()
    sink.finish_run(run, None)
    assert {key: value for key, value in sink.receipts(run).items() if key in made} == made
    sink.compact(REF)
    table = lab.table(plan)
    assert len(table.metadata.snapshots) == 1
    there = [*lab.folder.glob("suite/things/data/**/*.parquet")]
    assert len(there) == len([*table.scan().plan_files()]) == 1, "no file that nobody names"
    assert lab.rows(plan) == [(0, "new", 1), (1, "new", 1), (2, "new", 1), (3, "new", 1), (10, "old", 0)]
    sink.close()


def test_a_table_that_was_filled_without_its_key_has_none_any_more(lab, sink):
    write(sink, plan_of(), [(1, "a", 1)])
    assert write(sink, plan_of(key=()), [(1, "a", 1), (1, "b", 1)]).rows_deleted == 1
    with pytest.raises(errors.SinkSchemaConflictError, match="unique key"):
        sink.provision(plan_of())
    assert lab.rows(plan_of()) == [(1, "a", 1), (1, "b", 1)]


@pytest.mark.parametrize("model", [None, MODEL])
def test_one_sink_takes_raw_rows_and_those_of_common_models(sink, model):
    plan = plan_of()
    request = RunRequest(ref=REF, unit=plan.unit, mode="full", policy=plan.policy, cdm_model=model)
    if model is not None:
        with pytest.raises(errors.SinkNotProvisionedError):
            require_sink(sink, request)
        sink.provision_model(model)
    require_sink(sink, request)


def test_partitions(tmp_path):
    lab = Warehouse(tmp_path / "warehouse", partition_by={"things": ("name",)})
    sink, plan = lab.sink(), plan_of()
    write(sink, plan, [(i, "ab"[i % 2], 0) for i in range(6)])
    assert write(sink, plan, [(1, "a", 1), (6, "b", 1)]).rows_updated == 1
    assert {file.file.partition[0] for file in lab.table(plan).scan().plan_files()} == {"a", "b"}
    assert [row[:2] for row in lab.rows(plan)] == [(0, "a"), (1, "a"), (2, "a"), (3, "b"), (4, "a"), (5, "b"), (6, "b")]
    wrong = Warehouse(tmp_path / "warehouse", partition_by={"others": ("nothing",)}).sink()
    with pytest.raises(errors.ConfigInvalidError, match="nothing"):
        wrong.provision(plan_of(target_name="others"))
    for each in (sink, wrong):
        each.close()
    lab.catalog.close()


def test_values_at_the_ends_of_their_types_come_back(lab, sink):
    """Read by polars from the files, which know nothing of the sink."""
    columns = {"id": "int64", "d": "date", "t": "timestamptz", "f": "float64", "b": "binary", "s": "string"}
    frame = pl.DataFrame(
        {
            "id": pl.Series([-(2**63), 0, 2**63 - 1]),
            "d": pl.Series([-(2**31), 0, 2**31 - 1], dtype=pl.Int32).cast(pl.Date),
            "t": pl.Series([-(2**63), 0, 2**63 - 1], dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "f": [float("nan"), -0.0, None],
            "b": [b"", b"\0\xff", None],
            "s": ["", "naïve 🧊" * 50, None],
        }
    )
    plan = plan_of(columns)
    run = begin(sink, plan)
    assert sink.upsert(run, plan, plan.slices[0], staged(frame)).rows_inserted == 3
    again = begin(sink, plan)
    assert sink.upsert(again, plan, plan.slices[0], staged(frame)).rows_unchanged == 3
    paths = [task.file.file_path.removeprefix("file://") for task in lab.table(plan).scan().plan_files()]
    found = pl.read_parquet(paths).sort("id")
    assert found["t"].to_physical().to_list() == frame["t"].to_physical().to_list()
    assert found["d"].to_physical().to_list() == frame["d"].to_physical().to_list()
    assert found.select("id", "b", "s").equals(frame.select("id", "b", "s"))
    assert str(found["f"].to_list()) == str(frame["f"].to_list())
