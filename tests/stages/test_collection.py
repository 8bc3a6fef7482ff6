"""One snapshot from several jobs: what fails keeps what was known, and is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from connectors.sql.metadata_jobs import MOST_JOBS, jobs_of, require_some_schema
from contracts.catalog import CatalogSnapshot, ColumnDescriptor, DatasetDescriptor
from contracts.errors import CompletenessGapError, ConfigInvalidError, SourcePrivilegeError, SourceUnreachableError
from contracts.metadata import WHOLE, MetadataJob
from flows.stages.collection import CollectedPart, collected_part, planned_jobs, refuse_gaps_of, snapshot_of

COLUMN = ColumnDescriptor(name="id", logical_type="int64", declared_type="bigint")
NOW = datetime(2026, 11, 27, tzinfo=UTC)
A, B = (MetadataJob(job_id=name, title=f"schema {name}", namespaces=(name,)) for name in "ab")


def snapshot(*ids):
    datasets = [
        DatasetDescriptor(
            dataset_id=each, kind="table", namespace=each.split(".")[0], name=each.split(".")[1], columns=(COLUMN,)
        )
        for each in sorted(ids)
    ]
    return CatalogSnapshot(endpoint_id="shop", collected_at=NOW, datasets=tuple(datasets), source_version="16")


def ids(made):
    return [each.dataset_id for each in made.datasets]


class OneJobSource:
    def collect_catalog(self, endpoint_id):
        return snapshot("a.x")


class PlanningSource(OneJobSource):
    def validate_metadata_config(self):
        raise ConfigInvalidError("no", "correct it")

    def plan_metadata_jobs(self):
        return (A, B)

    def collect_metadata(self, endpoint_id, job):
        if job is B:
            raise SourcePrivilegeError("may not read b", "grant it")
        return snapshot("a.x")


def test_a_source_that_plans_nothing_is_one_job():
    source = OneJobSource()
    assert planned_jobs(source) == (WHOLE,)
    assert ids(collected_part(source, "shop", WHOLE).snapshot) == ["a.x"]
    with pytest.raises(ConfigInvalidError):
        planned_jobs(PlanningSource())


def test_a_part_that_fails_keeps_its_datasets_and_no_others():
    source = PlanningSource()
    parts = [collected_part(source, "shop", job) for job in (A, B)]
    made = snapshot_of("shop", parts, snapshot("a.x", "a.gone", "b.kept", "c.of-a-schema-that-is-gone"))
    assert ids(made) == ["a.x", "b.kept"]
    (line,) = made.left_out
    assert line == "schema b: E_SOURCE_PRIVILEGE may not read b; 1 dataset(s) as before"
    with pytest.raises(CompletenessGapError, match="schema b") as caught:
        refuse_gaps_of(made)
    assert caught.value.facts["left_out"] == [line]
    whole = snapshot_of("shop", [CollectedPart(A, snapshot("a.x")), CollectedPart(B, snapshot("b.y"))], made)
    assert (ids(whole), whole.left_out) == (["a.x", "b.y"], ())
    refuse_gaps_of(whole)
    assert ids(snapshot_of("shop", parts, None)) == ["a.x"], "the first collection has nothing to keep"


def test_when_every_part_fails_nothing_is_made():
    error = SourceUnreachableError("away", "run again")
    with pytest.raises(SourceUnreachableError):
        snapshot_of("shop", [CollectedPart(A, error=error), CollectedPart(B, error=error)], snapshot("a.x"))


@pytest.mark.parametrize("count", [0, 1, 2, 8, 9, 100])
def test_jobs_cover_every_schema_once(count):
    schemas = [f"s{number:03}" for number in range(count)]
    jobs = jobs_of(schemas)
    assert len(jobs) == max(1, min(count, MOST_JOBS))
    assert len({job.job_id for job in jobs}) == len(jobs)
    if count > 1:
        assert sorted(name for job in jobs for name in job.namespaces) == schemas
    else:
        assert jobs[0].covers("anything")


@pytest.mark.parametrize(("include", "exclude"), [((), ()), (("*",), ("*",))])
def test_settings_that_leave_no_schema_are_refused(include, exclude):
    require_some_schema(("public",), ("temp*",))
    with pytest.raises(ConfigInvalidError):
        require_some_schema(include, exclude)
