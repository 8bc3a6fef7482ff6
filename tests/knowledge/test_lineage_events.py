"""Events of runs between odd places are what the standard asks for, and hold no word of a foreign error."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from openlineage.client.serde import Serde

from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.errors import SourceUnreachableError
from contracts.lineage import DatasetName
from contracts.plan import IngestionPlan
from contracts.receipts import RunRef, RunSummary
from contracts.unit import EndpointUnitDescriptor, UnitPolicy
from knowledge.lineage_events import NamedDatasets, RowsSoFar, RunIdentity, completed, failed, lineage_run_id, running
from sandbox.lineage import problem_of

RUN = RunIdentity(
    RunRef(endpoint_id="shop", unit_id="a b", sink_id="lake"),
    UUID(int=7),
    "nucleus",
    "3.8",
    (UUID(int=8), "everything"),
)
COLUMNS = tuple(
    ColumnDescriptor(name=name, logical_type="string", declared_type="text") for name in ("naïve 漢字", 'quo"te', "a.b")
)
DATASET = DatasetDescriptor(dataset_id="a b", kind="table", namespace="main", name="a b", columns=COLUMNS)


def datasets(source: str, target: str) -> NamedDatasets:
    unit = EndpointUnitDescriptor(
        unit_id="a b", kind="table", display_name="a b", dataset=DATASET, supported_modes=("full",)
    )
    plan = IngestionPlan(endpoint_id="shop", unit=unit, mode="full", strategy="", slices=(), policy=UnitPolicy())
    return NamedDatasets(DatasetName(namespace=source, name="x"), DatasetName(namespace=target, name="y"), plan, None)


def summary(**changes) -> RunSummary:
    now = datetime.now(UTC)
    counted = dict.fromkeys(
        ("slices_planned", "slices_done_before", "slices_done", "rows_read", "rows_staged", "rows_inserted",
         "rows_updated", "rows_unchanged", "rows_deleted", "bytes_staged", "epoch", "seconds"), 0,
    )  # fmt: skip
    said = {
        "run_id": "r",
        "mode": "full",
        "strategy": "single",
        "resumed": False,
        "started_at": now,
        "finished_at": now,
    }
    return RunSummary.model_validate({"ref": RUN.ref, **counted, **said, **changes})


@pytest.mark.parametrize("place", ["file", "sqlite:///C d/ü|{x}.db", "postgres://[::1]:5432", "nucleus://shop"])
def test_any_place_makes_a_valid_event(place: str) -> None:
    event = Serde.to_dict(completed(RUN, datasets(place, place), summary()))
    assert problem_of(event) is None
    assert event["inputs"][0]["namespace"] == place, "as it is: it has to meet what others say"
    parent = event["run"]["facets"]["parent"]
    assert (parent["root"]["run"]["runId"], parent["root"]["job"]["name"]) == (str(UUID(int=8)), "everything")
    assert event["run"]["runId"] == str(lineage_run_id(UUID(int=7)))


def test_a_gap_is_an_assertion_that_failed() -> None:
    event = Serde.to_dict(completed(RUN, datasets("file", "file"), summary(gaps=("project X: 403",))))
    (checked,) = event["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (checked["success"], checked["actual"]) == (False, "1")


def test_bytes_written_are_given_only_when_all_rows_were_written() -> None:
    whole = Serde.to_dict(running(RUN, datasets("file", "file"), RowsSoFar(rows_read=5, rows_written=5, bytes_read=90)))
    part = Serde.to_dict(running(RUN, datasets("file", "file"), RowsSoFar(rows_read=5, rows_written=4, bytes_read=90)))
    written = [event["outputs"][0]["outputFacets"]["outputStatistics"] for event in (whole, part)]
    assert (written[0]["rowCount"], written[0]["size"]) == (5, 90)
    assert (written[1]["rowCount"], written[1].get("size")) == (4, None)


def test_the_message_of_a_foreign_error_is_not_passed_on() -> None:
    typed = SourceUnreachableError("no way to db", "Look at the network.")
    messages = [
        Serde.to_dict(failed(RUN, None, error))["run"]["facets"]["errorMessage"]["message"]
        for error in (typed, ValueError("password=secret"))
    ]
    assert messages[0].startswith(f"{typed.code}: no way to db")
    assert messages[1].startswith("ValueError")
    assert "secret" not in messages[1]
