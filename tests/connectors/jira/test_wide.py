"""A site with more custom fields than a table of the sink can have columns."""

from __future__ import annotations

import pytest

from contracts.errors import SinkSchemaConflictError
from flows.stages.width import fitted
from sandbox.jira import JiraSite, SandboxJira, samples
from tests.connectors.jira.moving import JiraIngestion, assert_equal

MORE = 1_700


def test_surplus_columns_stay_in_the_payload(database, monkeypatch):
    like = samples.FIELDS[3]
    more = [{**like, "id": f"customfield_{20_000 + n}", "key": f"customfield_{20_000 + n}"} for n in range(MORE)]
    monkeypatch.setattr(samples, "FIELDS", (*samples.FIELDS, *more))
    with SandboxJira(JiraSite(issues=3, projects=("OPS",))) as server, JiraIngestion(server, database) as mover:
        columns = [column.name for column in mover.unit("issues").columns]
        surplus = len(columns) - 1_600
        summary = mover.run("issues")
        assert summary.rows_inserted == 3
        (note,) = [note for note in summary.notes if "column raw only" in note]
        assert note.startswith(f"{mover.unit('issues').unit_id} has {surplus} column(s) more than the 1600")
        assert columns[-2] == "customfield_21699"
        assert f"{columns[-1 - surplus]}, {columns[-surplus]}," in note
        assert_equal(mover, "issues")
        again = mover.run("issues", "incremental")
        assert (again.rows_inserted, again.rows_updated, again.notes[:1]) == (0, 0, summary.notes[:1])
        request = mover.request("issues")
        dataset = request.unit.dataset
        bare = tuple(column for column in dataset.columns if column.name != "raw")
        unit = request.unit.model_copy(update={"dataset": dataset.model_copy(update={"columns": bare})})
        with pytest.raises(SinkSchemaConflictError) as caught:
            fitted(mover.sink, request.model_copy(update={"unit": unit}))
        assert (caught.value.facts["columns"], caught.value.retryable) == (len(columns) - 1, False)
