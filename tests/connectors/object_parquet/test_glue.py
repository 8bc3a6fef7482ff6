"""The table as a Glue Data Catalog has it, over moto, and its rows read as a reader of that catalog would."""

from __future__ import annotations

import io
from uuid import uuid4

import boto3
import polars as pl
import pytest

from connectors.object_parquet import glue as glue_tables
from contracts import errors
from tests.conformance.sink_suite import COLUMNS, SCHEMA, begin, keys_of, plan_of, write
from tests.connectors.object_parquet.places import ParquetBucket


@pytest.fixture
def glue(s3):
    return boto3.client(
        "glue",
        endpoint_url=s3.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key,
    )


@pytest.fixture
def database(glue):
    name = f"lake_{uuid4().hex[:12]}"
    glue.create_database(DatabaseInput={"Name": name})
    return name


@pytest.fixture
def lab_of(s3, bucket, database):
    def made(**settings):
        return ParquetBucket(
            s3, bucket, glue_database=settings.pop("glue_database", database), glue_endpoint_url=s3.endpoint_url,
            **settings,
        )  # fmt: skip

    return made


def end(sink, plan, keys=None):
    run = begin(sink, plan)
    if keys is not None:
        sink.reconcile(run, plan, keys_of(keys))
    sink.finish_run(run, None)
    return run


def partitions(glue, database, name):
    pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name)
    return {each["Values"][0]: each["StorageDescriptor"]["Location"] for page in pages for each in page["Partitions"]}


def ids_at(lab, location):
    """Rows of the files that the list at a location names: what SymlinkTextInputFormat does."""
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    listed = lab.client.get_object(Bucket=bucket, Key=f"{prefix}/manifest")["Body"].read().decode().split()
    keys = [each.removeprefix(f"s3://{bucket}/") for each in listed]
    frames = [pl.read_parquet(io.BytesIO(lab.client.get_object(Bucket=bucket, Key=key)["Body"].read())) for key in keys]
    return sorted(id_ for frame in frames for id_ in frame["id"])


def test_a_table_with_a_partition_for_each_value(glue, database, lab_of, monkeypatch):
    monkeypatch.setattr(glue_tables, "_CREATED_AT_ONCE", 5)
    monkeypatch.setattr(glue_tables, "_DELETED_AT_ONCE", 5)
    lab = lab_of(partition_by={"things": "name"})
    sink, plan = lab.sink(), plan_of(on_gone="delete", max_delete_fraction=1.0)
    sink.test_connection()
    write(sink, plan, [(number, f"n {number % 12}/é", number) for number in range(24)])
    end(sink, plan)
    table = glue.get_table(DatabaseName=database, Name="suite_things")["Table"]
    assert table["PartitionKeys"] == [{"Name": "name", "Type": "string"}]
    described = {each["Name"]: each["Type"] for each in table["StorageDescriptor"]["Columns"]}
    assert described["id"] == "bigint"
    assert "name" not in described, "a column is a partition's or a file's"
    found = partitions(glue, database, "suite_things")
    assert len(found) == 12
    assert ids_at(lab, found["n 7/é"]) == [7, 19]

    wider = plan_of({**COLUMNS, "extra": "float64"}, on_gone="delete", max_delete_fraction=1.0)
    write(sink, wider, [(1000, None, 1, 0.5)], {**SCHEMA, "extra": pl.Float64})
    end(sink, wider, keys=[7, 1000])
    found = partitions(glue, database, "suite_things")
    assert {value: ids_at(lab, location) for value, location in found.items()} == {
        "n 7/é": [7],
        "__HIVE_DEFAULT_PARTITION__": [1000],
    }
    table = glue.get_table(DatabaseName=database, Name="suite_things")["Table"]
    assert {"Name": "extra", "Type": "double"} in table["StorageDescriptor"]["Columns"]


def test_a_table_without_partitions_and_one_that_gets_them_later(glue, database, lab_of):
    plan = plan_of()
    sink = lab_of().sink()
    write(sink, plan, [(1, "a", 1), (2, "b", 2)])
    end(sink, plan)
    table = glue.get_table(DatabaseName=database, Name="suite_things")["Table"]
    assert table.get("PartitionKeys", []) == []
    lab = lab_of(partition_by={"things": "name"})
    assert ids_at(lab, table["StorageDescriptor"]["Location"]) == [1, 2]
    later = lab.sink()
    write(later, plan, [(1, "a", 7), (2, "b", 7)])
    end(later, plan)
    table = glue.get_table(DatabaseName=database, Name="suite_things")["Table"]
    assert table["PartitionKeys"] == [{"Name": "name", "Type": "string"}]
    found = partitions(glue, database, "suite_things")
    assert {value: ids_at(lab, location) for value, location in found.items()} == {"a": [1], "b": [2]}


def test_what_cannot_be_registered_is_said(glue, database, lab_of, tmp_path):
    with pytest.raises(errors.ConfigInvalidError, match="no Glue database"):
        lab_of(glue_database="nowhere").sink().test_connection()
    twice = plan_of({**COLUMNS, "ID": "float64"})
    sink = lab_of().sink()
    with pytest.raises(errors.SinkNameError, match="lower case"):
        write(sink, twice, [(1, "a", 1, 0.5)], {**SCHEMA, "ID": pl.Float64})
    assert sink.state(twice) is None, "nothing was written"
    with pytest.raises(ValueError, match="bucket"):
        type(sink._config).model_validate({"root": str(tmp_path), "glue_database": "lake"})
