"""One run of one unit in a process of its own, so that it can be killed: ``python -m … JSON``; prints what it did."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cdm_mappers.models import model_of
from cdm_mappers.registry import CdmMapperRegistry
from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.cdm_jdbc.sink import CdmSink
from connectors.jira.config import JiraConfig
from connectors.jira.source import JiraSource
from contracts.receipts import RunRef
from flows.stages.plan import RunRequest
from flows.stages.run import UnitRun
from staging.config import LocalStagingConfig
from staging.factory import open_staging


def main() -> None:
    """Run; the first line says that it has begun, the last one what became of it."""
    asked = json.loads(sys.argv[1])
    source = JiraSource(JiraConfig.model_validate(asked["jira"]))
    sink = CdmSink(CdmJdbcConfig.model_validate({"url": asked["sink"]}))
    staging = open_staging(LocalStagingConfig(path=Path(asked["staging"])))
    unit = next(
        one for one in source.list_units(source.collect_catalog("site")) if one.unit_id == f"jira.{asked['unit']}"
    )
    model = model_of(unit.cdm_model_id or "")
    sink.provision_model(model)
    request = RunRequest(
        ref=RunRef(endpoint_id="site", unit_id=unit.unit_id, sink_id="cdm"),
        unit=unit,
        mode=asked["mode"],
        policy=unit.default_policy,
        cdm_model=model,
        checkpoint=asked["checkpoint"],
    )
    mapper = CdmMapperRegistry().find("http", unit.kind, model.model_id)
    print("begun", flush=True)
    summary = UnitRun(source, sink, staging, request, mapper=mapper).execute()
    print(summary.model_dump_json(), flush=True)


if __name__ == "__main__":
    main()
