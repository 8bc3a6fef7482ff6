"""What is said of a run in OpenLineage's words: pure functions from contracts to events of the library's classes.

=============  ===============================================================================================
event          when, and what it adds to names and schemas of the datasets and the lineage of columns
=============  ===============================================================================================
``START``      the run holds the unit's lock; nothing was planned yet
``RUNNING``    the plan is frozen, and from time to time while slices land: rows read and written so far
``COMPLETE``   all is in the sink: rows and bytes, and what was checked
``FAIL``       the run ended with an error: its code and message
``ABORT``      the run was paused, cancelled, or its process died
=============  ===============================================================================================
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote
from uuid import UUID, uuid5

from openlineage.client.event_v2 import (
    InputDataset,
    Job,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    set_producer,
)
from openlineage.client.facet_v2 import (
    column_lineage_dataset,
    data_quality_assertions_dataset,
    datasource_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
)

from contracts.errors import IngestionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from openlineage.client.facet_v2 import DatasetFacet, InputDatasetFacet, OutputDatasetFacet, RunFacet

    from contracts.lineage import DatasetName
    from contracts.plan import IngestionPlan
    from contracts.receipts import RunRef, RunSummary

FLOW = "ingest-unit"
"""Name of the parent job: the Prefect flow."""
_VERSION = version("nucleus-ingestion")
_RUNS = UUID("6f1d1f0e-3d0c-5c55-9a4e-0d8a8f6f2f5e")
_MOST_MESSAGE_CHARACTERS = 4_000

set_producer(f"urn:nucleus-ingestion:{_VERSION}")


class RunIdentity(NamedTuple):
    """Which run is spoken of. The run's own id follows from the flow run's, so that every process knows it."""

    ref: RunRef
    flow_run_id: UUID
    job_namespace: str
    engine_version: str
    """Prefect's."""
    root: tuple[UUID, str] | None = None
    """Flow run and flow that began it all, where that is not the run's own."""


class NamedDatasets(NamedTuple):
    """What a run reads and writes."""

    source: DatasetName
    target: DatasetName
    plan: IngestionPlan
    """May be without slices."""
    column_sources: Mapping[str, tuple[str, ...]] | None
    """Common column to source columns; None for raw rows, which are copied, or where it is not known."""


class RowsSoFar(NamedTuple):
    """What a run counted so far; the bytes are of staged Parquet, in which rows are read and handed over."""

    rows_read: int = 0
    rows_written: int = 0
    bytes_read: int = 0


def lineage_run_id(flow_run_id: UUID) -> UUID:
    """The run's id in events; the flow run itself is its parent."""
    return uuid5(_RUNS, str(flow_run_id))


def job_name(ref: RunRef) -> str:
    """``<endpoint>.<unit>.<sink>``."""
    return f"{ref.endpoint_id}.{ref.unit_id}.{ref.sink_id}"


def started(run: RunIdentity, datasets: NamedDatasets | None) -> RunEvent:
    """The run holds the lock."""
    return _event(RunState.START, run, datasets)


def running(run: RunIdentity, datasets: NamedDatasets | None, progress: RowsSoFar) -> RunEvent:
    """Rows so far."""
    return _event(RunState.RUNNING, run, datasets, progress=progress)


def completed(run: RunIdentity, datasets: NamedDatasets | None, summary: RunSummary) -> RunEvent:
    """The end of a run whose rows are all in the sink."""
    progress = RowsSoFar(
        rows_read=summary.rows_staged,
        rows_written=summary.rows_inserted + summary.rows_updated,
        bytes_read=summary.bytes_staged,
    )
    return _event(RunState.COMPLETE, run, datasets, progress=progress, checked=_checked(summary))


def failed(run: RunIdentity, datasets: NamedDatasets | None, error: Exception) -> RunEvent:
    """The end of a run that met an error. Messages of typed errors hold no secret (I10); others give their class."""
    code = error.code if isinstance(error, IngestionError) else None
    message = f"{code}: {error}" if code else f"{type(error).__name__}: see the log of the flow run"
    return _event(RunState.FAIL, run, datasets, run_facets={"errorMessage": _message(message)})


def aborted(run: RunIdentity, datasets: NamedDatasets | None, reason: str) -> RunEvent:
    """The end of a run that somebody or something stopped."""
    return _event(RunState.ABORT, run, datasets, run_facets={"errorMessage": _message(reason)})


def _event(
    kind: RunState,
    run: RunIdentity,
    datasets: NamedDatasets | None,
    *,
    progress: RowsSoFar | None = None,
    checked: data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet | None = None,
    run_facets: Mapping[str, RunFacet] | None = None,
) -> RunEvent:
    batch = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="NUCLEUS", jobType="INGESTION")
    return RunEvent(
        eventType=kind,
        eventTime=datetime.now(UTC).isoformat(),
        run=Run(str(lineage_run_id(run.flow_run_id)), {**_about(run), **(run_facets or {})}),
        job=Job(run.job_namespace, job_name(run.ref), {"jobType": batch}),
        inputs=[_input(run, datasets, progress, checked)] if datasets else [],
        outputs=[_output(run, datasets, progress)] if datasets else [],
    )


def _about(run: RunIdentity) -> dict[str, RunFacet]:
    root = run.root and parent_run.Root(
        run=parent_run.RootRun(runId=str(run.root[0])),
        job=parent_run.RootJob(namespace=run.job_namespace, name=run.root[1]),
    )
    parent = parent_run.ParentRunFacet(
        run=parent_run.Run(runId=str(run.flow_run_id)),
        job=parent_run.Job(namespace=run.job_namespace, name=FLOW),
        root=root,
    )
    engine = processing_engine_run.ProcessingEngineRunFacet(
        version=run.engine_version, name="Prefect", openlineageAdapterVersion=_VERSION
    )
    return {"parent": parent, "processing_engine": engine}


def _input(
    run: RunIdentity,
    datasets: NamedDatasets,
    progress: RowsSoFar | None,
    checked: data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet | None,
) -> InputDataset:
    columns = [(each.name, each.declared_type, each.comment) for each in datasets.plan.unit.dataset.columns]
    facets: dict[str, InputDatasetFacet] = {}
    if progress is not None:
        facets["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
            rowCount=progress.rows_read, size=progress.bytes_read
        )
    if checked is not None:
        facets["dataQualityAssertions"] = checked
    about = {"schema": _schema(columns), "dataSource": _place(run.ref.endpoint_id, datasets.source)}
    return InputDataset(datasets.source.namespace, datasets.source.name, inputFacets=facets, facets=about)


def _output(run: RunIdentity, datasets: NamedDatasets, progress: RowsSoFar | None) -> OutputDataset:
    model = datasets.plan.cdm_model
    columns = (
        [(each.name, each.logical_type, each.comment) for each in datasets.plan.unit.dataset.columns]
        if model is None
        else [(each.name, each.logical_type, each.meaning) for each in model.columns]
    )
    about: dict[str, DatasetFacet] = {
        "schema": _schema(columns),
        "dataSource": _place(run.ref.sink_id, datasets.target),
    }
    if model is None or datasets.column_sources is not None:
        about["columnLineage"] = _column_lineage(datasets)
    facets: dict[str, OutputDatasetFacet] = {}
    if progress is not None:
        # Rows that were the same in the sink are not written: then nobody knows how many bytes the others had.
        is_all = progress.rows_written == progress.rows_read
        facets["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=progress.rows_written, size=progress.bytes_read if is_all else None
        )
    return OutputDataset(datasets.target.namespace, datasets.target.name, outputFacets=facets, facets=about)


def _schema(columns: Iterable[tuple[str, str, str | None]]) -> schema_dataset.SchemaDatasetFacet:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(name=name, type=kind, description=said or None, ordinal_position=place)
        for place, (name, kind, said) in enumerate(columns, 1)
    ]
    return schema_dataset.SchemaDatasetFacet(fields=fields)


def _place(endpoint_id: str, name: DatasetName) -> datasource_dataset.DatasourceDatasetFacet:
    """The endpoint; its namespace as a URI, of which the one for files (``file``) lacks the colon."""
    namespace = name.namespace if ":" in name.namespace else f"{name.namespace}:"
    return datasource_dataset.DatasourceDatasetFacet(name=endpoint_id, uri=quote(namespace, safe=":/@[]%"))


def _column_lineage(datasets: NamedDatasets) -> column_lineage_dataset.ColumnLineageDatasetFacet:
    """Which source columns decide each column; how is said of copies only. The filter's columns choose the rows."""
    sources, source = datasets.column_sources, datasets.source
    copied = column_lineage_dataset.Transformation(type="DIRECT", subtype="IDENTITY", masking=False)
    how = [copied] if sources is None else []
    if sources is None:
        sources = {each.name: (each.name,) for each in datasets.plan.unit.dataset.columns}
    filtered = column_lineage_dataset.Transformation(type="INDIRECT", subtype="FILTER", masking=False)
    chosen_by = dict.fromkeys(each.column for each in datasets.plan.policy.filter)
    return column_lineage_dataset.ColumnLineageDatasetFacet(
        fields={
            name: column_lineage_dataset.Fields(inputFields=[_field(source, each, how) for each in names])
            for name, names in sources.items()
            if names
        },
        dataset=[_field(source, name, [filtered]) for name in chosen_by],
    )


def _field(
    source: DatasetName, column: str, how: list[column_lineage_dataset.Transformation]
) -> column_lineage_dataset.InputField:
    return column_lineage_dataset.InputField(source.namespace, source.name, column, transformations=[*how])


def _checked(summary: RunSummary) -> data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet:
    """What every run has checked before it succeeds. Of the rows' content nothing is asserted: nobody looked at it."""
    complete = data_quality_assertions_dataset.Assertion(
        assertion="complete",
        success=not summary.gaps,
        severity="error",
        description="The source delivered all it announced; the actual value is the number of gaps.",
        expected="0",
        actual=str(len(summary.gaps)),
    )
    return data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions=[complete])


def _message(text: str) -> error_message_run.ErrorMessageRunFacet:
    return error_message_run.ErrorMessageRunFacet(message=text[:_MOST_MESSAGE_CHARACTERS], programmingLanguage="python")
