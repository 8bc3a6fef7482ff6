"""One run of one unit of a source into common-model tables, as a process that is measured; its input is JSON."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from cdm_mappers.models import model_of
from cdm_mappers.registry import CdmMapperRegistry
from connectors.cdm_jdbc.config import CdmJdbcConfig
from connectors.cdm_jdbc.sink import CdmSink
from connectors.registry import EndpointRegistry
from contracts.receipts import RunRef
from flows.stages.plan import RunRequest
from flows.stages.run import UnitRun
from staging.config import LocalStagingConfig
from staging.factory import open_staging


def main() -> None:
    """Run; prints rows, seconds, CPU seconds without those of starting, and the checkpoint as one line of JSON."""
    arguments = json.load(sys.stdin)
    factory = EndpointRegistry().get(arguments["template"])
    source = factory.source(factory.config_class.model_validate(arguments["site"]))
    sink = CdmSink(CdmJdbcConfig.model_validate({"url": arguments["sink"]}))
    units = {unit.unit_id: unit for unit in source.list_units(source.collect_catalog("site"))}
    unit = units[arguments["unit"]]
    model = model_of(unit.cdm_model_id or "")
    sink.provision_model(model)
    request = RunRequest(
        ref=RunRef(endpoint_id="site", unit_id=unit.unit_id, sink_id="cdm"),
        unit=unit,
        mode=arguments["mode"],
        policy=unit.default_policy,
        cdm_model=model,
        checkpoint=arguments["checkpoint"],
    )
    mapper = CdmMapperRegistry().find("http", unit.kind, model.model_id)
    with tempfile.TemporaryDirectory() as folder:
        staging = open_staging(LocalStagingConfig(path=Path(folder)))
        started, cpu = time.monotonic(), time.process_time()
        summary = UnitRun(source, sink, staging, request, mapper=mapper, keep_staged=False).execute()
        seconds, cpu_s = time.monotonic() - started, time.process_time() - cpu
    made = {"rows": summary.rows_read, "seconds": seconds, "cpu_s": cpu_s, "stages": summary.seconds_by_stage}
    print(json.dumps({**made, "checkpoint": summary.checkpoint_after}))


if __name__ == "__main__":
    main()
