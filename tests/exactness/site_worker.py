"""One run of one unit of a site into raw tables, in a process of its own, so that it can be killed."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from connectors.registry import EndpointRegistry
from contracts.errors import IngestionError
from contracts.receipts import RunRef
from contracts.unit import UnitPolicy
from flows.stages.plan import RunRequest
from flows.stages.run import UnitRun
from staging.config import LocalStagingConfig
from staging.factory import open_staging
from tests.exactness.executors import executed, executor_named, server_of

if TYPE_CHECKING:
    from collections.abc import Callable


def run_once(order: dict[str, Any], say: Callable[[Any], None]) -> int:
    """Run ``order``: template, site (its configuration), unit, mode, policy, checkpoint, sink (URL), staging (folder).

    ``executor`` says where; on Prefect with the server that ``environment`` names.

    Says "ready", then what became of it; 3 after a typed error.
    """
    factory = EndpointRegistry().get(order["template"])
    source = factory.source(factory.config_class.model_validate(order["site"]))
    sink = PostgresSink(PostgresConfig.model_validate({"url": order["sink"]}))
    staging = open_staging(LocalStagingConfig(path=Path(order["staging"])))
    units = source.list_units(source.collect_catalog("site"))
    unit = next(one for one in units if one.dataset.name == order["unit"])
    request = RunRequest(
        ref=RunRef(endpoint_id="site", unit_id=unit.unit_id, sink_id="raw"),
        unit=unit,
        mode=order["mode"],
        policy=UnitPolicy.model_validate({**unit.default_policy.model_dump(), **order["policy"]}),
        checkpoint=order["checkpoint"],
    )
    name = order["executor"]
    with server_of(order["environment"]) if name == "prefect" else nullcontext():
        run = UnitRun(source, sink, staging, request, executor=executor_named(name))
        say("ready")
        try:
            say(executed(run, name).model_dump(mode="json"))
        except IngestionError as error:
            say(error.to_json())
            return 3
    return 0
