"""One run of one unit in a process of its own, so that it can be killed."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from tests.exactness.executors import executed, executor_named, server_of

if TYPE_CHECKING:
    from collections.abc import Callable


def run_once(order: dict[str, Any], say: Callable[[Any], None]) -> int:
    """Run; say "ready", then what became of it."""
    source = JiraSource(JiraConfig.model_validate(order["jira"]))
    sink = CdmSink(CdmJdbcConfig.model_validate({"url": order["sink"]}))
    staging = open_staging(LocalStagingConfig(path=Path(order["staging"])))
    unit = next(
        one for one in source.list_units(source.collect_catalog("site")) if one.unit_id == f"jira.{order['unit']}"
    )
    model = model_of(unit.cdm_model_id or "")
    sink.provision_model(model)
    request = RunRequest(
        ref=RunRef(endpoint_id="site", unit_id=unit.unit_id, sink_id="cdm"),
        unit=unit,
        mode=order["mode"],
        policy=unit.default_policy,
        cdm_model=model,
        checkpoint=order["checkpoint"],
    )
    mapper = CdmMapperRegistry().find("http", unit.kind, model.model_id)
    name = order["executor"]
    with server_of(order["environment"]) if name == "prefect" else nullcontext():
        run = UnitRun(source, sink, staging, request, mapper=mapper, executor=executor_named(name))
        say("ready")
        say(executed(run, name).model_dump(mode="json"))
    return 0
