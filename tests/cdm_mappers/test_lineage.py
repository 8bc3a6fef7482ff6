"""What a column is made of, against mappers whose answer is plain to see."""

from __future__ import annotations

import polars as pl
import pytest

from cdm_mappers.lineage import column_sources
from cdm_mappers.models import model_of
from cdm_mappers.registry import BUILT_IN, CdmMapperRegistry
from connectors.confluence import units as confluence
from connectors.onedrive import units as onedrive
from contracts.catalog import ColumnDescriptor, DatasetDescriptor
from contracts.mapping import CdmColumn, CdmModel
from tests.cdm_mappers import test_jira_work

DATASETS = {
    **{f"jira.{name}": each for name, each in test_jira_work.DATASETS.items()},
    **{each.dataset_id: each for each in (*confluence.datasets("docs"), *onedrive.datasets("docs"))},
}


def test_of_an_issue():
    mapper = CdmMapperRegistry().find("http", "jira.issues", "cdm.work.item")
    made = column_sources(mapper, model_of("cdm.work.item"), DATASETS["jira.issues"])
    assert made["cdm_id"] == ("key",)
    assert made["assignee_cdm_id"] == ("assignee_id",)
    assert made["updated_at"] == ("updated",)
    assert made["source_system"] == made["ingested_at"] == made["deleted_at"] == ()
    assert {"id", "key", "status_id"} <= set(made["raw_source"])
    assert any(name.startswith("customfield_") for name in made["properties"])


@pytest.mark.parametrize("key", BUILT_IN, ids=lambda key: f"{key.unit_kind}-{key.cdm_model_id}")
def test_every_mapper_tells(key):
    """Each column of the model is answered for, and its ids are made of something."""
    mapper, model = CdmMapperRegistry().find(*key.model_dump().values()), model_of(key.cdm_model_id)
    made = column_sources(mapper, model, DATASETS[key.unit_kind])
    assert [*made] == [column.name for column in model.columns]
    assert made["cdm_id"]
    assert made["source_id"]


def test_joined_conditional_and_constant_columns():
    def mapper(frame, _context):
        return frame.select(
            joined=pl.col("a").cast(pl.String) + pl.col("b"),
            chosen=pl.when(pl.col("c") > 1).then(pl.col("b")),
            constant=pl.lit(1),
            every=pl.struct(pl.col("a", "b", "c")).struct.json_encode(),
        )

    kinds = {"a": "int64", "b": "string", "c": "float64"}
    columns = [ColumnDescriptor(name=name, declared_type=kind, logical_type=kind) for name, kind in kinds.items()]
    dataset = DatasetDescriptor(dataset_id="d", kind="entity", namespace="n", name="d", columns=columns)
    names = ("joined", "chosen", "constant", "every")
    model = CdmModel(
        model_id="cdm.a.b", meaning="", columns=[CdmColumn(name=n, logical_type="string", meaning="") for n in names]
    )
    expected = {"joined": ("a", "b"), "chosen": ("b", "c"), "constant": (), "every": ("a", "b", "c")}
    assert column_sources(mapper, model, dataset) == expected
