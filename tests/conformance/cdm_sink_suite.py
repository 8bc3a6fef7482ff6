"""What every sink of common-model rows does. Subclass it, give ``lab``, and the sink is tested.

Rows come from two endpoints that share one table. The suite speaks to the sink in plans, receipts and readers; the lab
looks at the table without it.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import polars as pl
import pytest

from contracts import errors
from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.mapping import CdmColumn, CdmModel
from contracts.plan import IngestionPlan, IngestionSlice
from contracts.receipts import RunRef
from contracts.staging import StagingContext
from contracts.traits import SupportsCdm, SupportsContentHash, SupportsReconcile
from contracts.unit import EndpointUnitDescriptor, UnitPolicy
from staging.memory import MemoryStaging

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.endpoint import SinkEndpoint
    from contracts.receipts import RunHandle, UpsertReceipt

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
LATER = datetime(2026, 2, 3, tzinfo=UTC)


def model_of(*extra: CdmColumn, version: int = 1, model_id: str = "cdm.work.probe") -> CdmModel:
    text = [(name, False) for name in ("cdm_id", "source_system", "source_id")]
    columns = [CdmColumn(name=name, logical_type="string", meaning=name, nullable=null) for name, null in text]
    columns += [
        CdmColumn(name="name", logical_type="string", meaning="Name"),
        CdmColumn(name="extra_json", logical_type="json", meaning="JSON"),
        *extra,
        CdmColumn(name="dataset_id", logical_type="string", meaning="Dataset", nullable=False),
        CdmColumn(name="source_endpoint_id", logical_type="string", meaning="Endpoint", nullable=False),
        CdmColumn(name="ingested_at", logical_type="timestamptz", meaning="Written", nullable=False),
        CdmColumn(name="deleted_at", logical_type="timestamptz", meaning="Gone"),
    ]
    return CdmModel(model_id=model_id, meaning="A probe", version=version, columns=tuple(columns))


MODEL = model_of()
UNIT = EndpointUnitDescriptor(
    unit_id="things",
    kind="things",
    display_name="things",
    primary_key=("id",),
    cdm_model_id=MODEL.model_id,
    dataset=DatasetDescriptor(
        dataset_id="things",
        kind="entity",
        namespace="sys",
        name="things",
        columns=(ColumnDescriptor(name="id", logical_type="string", declared_type="text"),),
        primary_key=("id",),
    ),
)


def plan_of(
    endpoint: str = "one", model: CdmModel | None = MODEL, slices: int = 1, dataset: str = "things", **policy: Any
) -> IngestionPlan:
    described = UNIT.dataset.model_copy(update={"dataset_id": dataset})
    return IngestionPlan(
        endpoint_id=endpoint,
        unit=UNIT.model_copy(update={"dataset": described}),
        mode="full",
        strategy="suite",
        slices=tuple(IngestionSlice(key=f"s{n}", sequence=n) for n in range(slices)),
        policy=UnitPolicy(**policy),
        cdm_model=model,
    )


def rows_of(
    *rows: tuple[str, str, str | None], endpoint: str = "one", at: datetime = NOW, dataset: str = "things"
) -> pl.DataFrame:
    """(source id, key in the cdm_id, name) as common rows."""
    moment = pl.Datetime("us", "UTC")
    return pl.DataFrame(
        {
            "cdm_id": [f"cdm:work:probe:sys:{key}" for _, key, _ in rows],
            "source_system": ["sys"] * len(rows),
            "source_id": [source_id for source_id, _, _ in rows],
            "name": [name for _, _, name in rows],
            "extra_json": ['{"a": "\\u0000", "b":  1.0}'] * len(rows),
            "dataset_id": [dataset] * len(rows),
            "source_endpoint_id": [endpoint] * len(rows),
            "ingested_at": [at] * len(rows),
            "deleted_at": [None] * len(rows),
        },
        schema_overrides={"ingested_at": moment, "deleted_at": moment, "name": pl.String, "extra_json": pl.String},
    )


class CdmSinkLab(Protocol):
    """Looks at what the sink wrote."""

    def sink(self) -> SinkEndpoint:
        """A sink with all the rights it needs."""
        ...

    def rows(self, columns: str = "cdm_id, source_id, name, deleted_at IS NULL AS alive") -> list[tuple[Any, ...]]:
        """Those columns of the probe's table, ordered by ``cdm_id``."""
        ...

    def run(self, sql: str) -> None:
        """Change the table behind the sink's back; ``{table}`` is its name."""
        ...


class Writing:
    """One run of one endpoint."""

    def __init__(self, sink: Any, plan: IngestionPlan) -> None:
        self.sink, self.plan, self.staging = sink, plan, MemoryStaging()
        ref = RunRef(endpoint_id=plan.endpoint_id, unit_id="things", sink_id="cdm")
        sink.last_run(ref)
        self.run: RunHandle = sink.begin_run(ref, uuid4().hex, plan)

    def reader(self, frame: pl.DataFrame):
        context = StagingContext(
            endpoint_id=self.plan.endpoint_id,
            unit_id="things",
            run_id="r",
            slice_key="s",
            sequence=0,
            attempt=uuid4().hex,
        )
        session = self.staging.allocate_session(context)
        session.writer().write_batch(frame)
        return self.staging.open_session(session.seal()).reader()

    def write(self, frame: pl.DataFrame, piece: int = 0) -> UpsertReceipt:
        return self.sink.upsert(self.run, self.plan, self.plan.slices[piece], self.reader(frame))

    def census(self, *ids: str):
        return self.sink.reconcile(
            self.run, self.plan, self.reader(pl.DataFrame({"id": list(ids)}, schema={"id": pl.String}))
        )


class CdmSinkSuite:
    """Behaviour every sink of common-model rows shares."""

    @pytest.fixture
    def lab(self) -> CdmSinkLab:
        raise NotImplementedError

    @pytest.fixture
    def sink(self, lab: CdmSinkLab) -> Iterable[Any]:
        sink = lab.sink()
        yield sink
        sink.close()

    @pytest.fixture
    def ready(self, sink):
        sink.provision_model(MODEL)
        return sink

    def test_capabilities_are_the_traits(self, sink):
        capabilities = sink.descriptor.capabilities
        assert ("sink.cdm" in capabilities) == isinstance(sink, SupportsCdm) == bool(sink.supported_cdm_models)
        assert ("sink.delete_detection" in capabilities) == isinstance(sink, SupportsReconcile)
        assert ("verify.content" in capabilities) == isinstance(sink, SupportsContentHash)
        assert sink.test_connection().server_version

    def test_nothing_is_made_unasked(self, sink):
        for attempt in (lambda: sink.provision(plan_of()), lambda: sink.require_model(MODEL)):
            with pytest.raises(errors.SinkNotProvisionedError):
                attempt()
        if "sink.raw" not in sink.descriptor.capabilities:
            with pytest.raises(errors.CdmModelUnsupportedError):
                sink.provision(plan_of(model=None))
        for attempt in (sink.provision_model, sink.require_model):
            with pytest.raises(errors.CdmModelUnsupportedError):
                attempt(model_of(model_id="other.work.probe"))

    def test_provisioning_is_idempotent_and_says_what_it_made(self, sink):
        first, second = sink.provision_model(MODEL), sink.provision_model(MODEL)
        assert first.statements
        assert second.statements == ()
        assert first.dataset == second.dataset
        assert f"cdm_model:{MODEL.model_id}" in first.dataset.labels
        assert [column.name for column in first.dataset.columns] == [column.name for column in MODEL.columns]
        sink.require_model(MODEL)
        assert sink.provision(plan_of()) == ()

    def test_an_older_table_is_widened_and_keeps_its_rows(self, lab, ready):
        Writing(ready, plan_of()).write(rows_of(("1", "A", "x")))
        lab.run("ALTER TABLE {table} ADD COLUMN note text")
        newer = model_of(CdmColumn(name="score", logical_type="int64", meaning="Score"), version=2)
        with pytest.raises(errors.SinkNotProvisionedError, match="score"):
            ready.require_model(newer)
        assert any("score" in line for line in ready.provision_model(newer).statements)
        ready.require_model(newer)
        assert ready.provision_model(MODEL).statements == (), "an older model fits the newer table"
        assert lab.rows("cdm_id, score::text AS s, note") == [("cdm:work:probe:sys:A", None, None)]

    def test_a_table_of_another_shape_is_refused(self, lab, ready):
        lab.run("ALTER TABLE {table} ALTER COLUMN name TYPE bigint USING 0")
        with pytest.raises(errors.SinkSchemaConflictError, match="name"):
            ready.provision_model(MODEL)

    def test_rows_come_back_as_they_went(self, lab, ready):
        receipt = Writing(ready, plan_of()).write(rows_of(("1", "A", "naïve 漢字"), ("2", "B", None)))
        assert (receipt.rows_inserted, receipt.rows_unchanged) == (2, 0)
        assert lab.rows() == [
            ("cdm:work:probe:sys:A", "1", "naïve 漢字", True), ("cdm:work:probe:sys:B", "2", None, True),
        ]  # fmt: skip
        assert {row[0] for row in lab.rows("extra_json::text AS j")} == {'{"a": "\\u0000", "b":  1.0}'}
        assert {row[0] for row in lab.rows("(extract(epoch FROM ingested_at) * 1000000)::bigint AS us")} == {
            int(NOW.timestamp()) * 10**6 + NOW.microsecond
        }

    def test_a_row_that_differs_only_in_its_time_of_writing_is_unchanged(self, lab, ready):
        Writing(ready, plan_of()).write(rows_of(("1", "A", "x"), ("2", "B", "y")))
        receipt = Writing(ready, plan_of()).write(rows_of(("1", "A", "x"), ("2", "B", "new"), at=LATER))
        assert (receipt.rows_updated, receipt.rows_unchanged) == (1, 1)
        assert [row[0] for row in lab.rows("ingested_at = '2026-02-03 00:00:00+00' AS later")] == [False, True]

    def test_writing_a_slice_again_changes_nothing(self, ready):
        writing = Writing(ready, plan_of())
        frame = rows_of(("1", "A", "x"))
        assert writing.write(frame) == writing.write(frame)

    @pytest.mark.parametrize("on_gone", ["tombstone", "delete", "ignore"])
    def test_a_row_that_moved_leaves_no_ghost(self, lab, ready, on_gone):
        Writing(ready, plan_of()).write(rows_of(("1", "A-1", "x"), ("2", "A-2", "y")))
        receipt = Writing(ready, plan_of(on_gone=on_gone)).write(rows_of(("1", "B-9", "x")))
        alive = {row[0]: row[3] for row in lab.rows()}
        assert alive["cdm:work:probe:sys:B-9"] is alive["cdm:work:probe:sys:A-2"] is True
        assert alive.get("cdm:work:probe:sys:A-1") == {"tombstone": False, "delete": None, "ignore": True}[on_gone]
        assert receipt.rows_deleted == (0 if on_gone == "ignore" else 1)

    @pytest.mark.parametrize("together", [True, False], ids=["in one slice", "in two slices"])
    @pytest.mark.parametrize("order", [0, 1])
    def test_two_rows_that_swap_their_keys(self, lab, ready, together, order):
        Writing(ready, plan_of()).write(rows_of(("1", "A", "one"), ("2", "B", "two")))
        swapped = [("1", "B", "one"), ("2", "A", "two")]
        writing = Writing(ready, plan_of(slices=2))
        if together:
            writing.write(rows_of(*swapped))
        else:
            for index, row in enumerate(swapped if order else reversed(swapped)):
                writing.write(rows_of(row), index)
        assert lab.rows() == [
            ("cdm:work:probe:sys:A", "2", "two", True), ("cdm:work:probe:sys:B", "1", "one", True),
        ]  # fmt: skip

    def test_gone_rows_are_tombstoned_and_live_again(self, lab, ready):
        writing = Writing(ready, plan_of(max_delete_fraction=1.0))
        writing.write(rows_of(("1", "A", "x"), ("2", "B", "y")))
        assert ready.count_rows(writing.plan) == 2
        receipt, missing = writing.census("1", "3")
        assert (receipt.rows_gone, receipt.rows_tombstoned, receipt.rows_deleted) == (1, 1, 0)
        assert missing == ({"id": "3"},)
        assert [row[3] for row in lab.rows()] == [True, False]
        assert [row for frame in ready.tombstones(writing.plan) for row in pl.DataFrame(frame)["source_id"]] == ["2"]
        assert writing.census("1")[0].rows_gone == 0, "it is gone already"
        receipt = Writing(ready, plan_of()).write(rows_of(("2", "B", "y")))
        assert (receipt.rows_updated, ready.count_rows(writing.plan)) == (1, 2)

    def test_rows_that_the_source_names_as_gone(self, lab, ready):
        Writing(ready, plan_of("two")).write(rows_of(("1", "X", "theirs"), endpoint="two"))
        writing = Writing(ready, plan_of("one"))
        writing.write(rows_of(("1", "A", "x"), ("2", "B", "y"), ("3", "C", "z")))
        keys = pl.DataFrame({"id": ["1", "99"]})
        receipt = ready.remove(writing.run, writing.plan, writing.reader(keys))
        assert (receipt.rows_gone, receipt.rows_tombstoned) == (1, 1)
        assert {row[0][-1]: row[3] for row in lab.rows()} == {"A": False, "B": True, "C": True, "X": True}

    def test_the_guard_counts_only_our_rows(self, ready):
        Writing(ready, plan_of("two")).write(rows_of(*((str(n), f"T{n}", "x") for n in range(50)), endpoint="two"))
        writing = Writing(ready, plan_of("one"))
        writing.write(rows_of(("1", "A", "x"), ("2", "B", "y")))
        with pytest.raises(errors.DeleteGuardError, match="2 of 2"):
            writing.census()

    def test_rows_of_another_endpoint_are_never_touched(self, lab, ready):
        Writing(ready, plan_of("two")).write(rows_of(("1", "X", "theirs"), ("2", "Y", "theirs"), endpoint="two"))
        writing = Writing(ready, plan_of("one", max_delete_fraction=1.0))
        assert writing.run.target_is_empty
        writing.write(rows_of(("1", "A", "ours")))
        assert ready.count_rows(writing.plan) == 1
        assert writing.census()[0].rows_tombstoned == 1
        assert [(row[2], row[3]) for row in lab.rows()] == [("ours", False), ("theirs", True), ("theirs", True)]

    def test_one_id_of_two_endpoints_is_refused(self, lab, ready):
        Writing(ready, plan_of("two")).write(rows_of(("9", "A", "theirs"), endpoint="two"))
        with pytest.raises(errors.SinkOwnerError, match="two") as caught:
            Writing(ready, plan_of("one")).write(rows_of(("1", "A", "ours"), ("2", "B", "ours")))
        assert "'one'" in str(caught.value)
        assert [row[2] for row in lab.rows()] == ["theirs"], "nothing of the slice was written"

    def test_rows_of_another_unit_of_the_endpoint_are_never_touched(self, lab, ready):
        Writing(ready, plan_of(dataset="files")).write(rows_of(("1", "X", "a file"), dataset="files"))
        writing = Writing(ready, plan_of(max_delete_fraction=1.0))
        writing.write(rows_of(("1", "A", "x"), ("2", "B", "y")))
        assert ready.count_rows(writing.plan) == 2, "no ghost of a row that moved: ids count within a dataset"
        assert writing.census("2")[0].rows_gone == 1
        assert [row[2] for row in lab.rows() if row[3]] == ["y", "a file"]
        with pytest.raises(errors.SinkOwnerError, match="files"):
            Writing(ready, plan_of()).write(rows_of(("3", "X", "taken")))

    def test_an_overtaken_run_does_not_write(self, lab, ready):
        old = Writing(ready, plan_of())
        Writing(ready, plan_of())
        with pytest.raises(errors.RunSupersededError):
            old.write(rows_of(("1", "A", "x")))
        assert lab.rows() == []

    def test_one_run_at_a_time(self, ready, lab):
        ref = RunRef(endpoint_id="one", unit_id="things", sink_id="cdm")
        with (
            closing(lab.sink()) as other,
            ready.exclusive(ref),
            pytest.raises(errors.RunInProgressError),
            other.exclusive(ref),
        ):
            pass
