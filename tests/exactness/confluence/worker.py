"""One run of one unit in a process of its own, so that it can be killed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.confluence.config import ConfluenceConfig
from connectors.confluence.source import ConfluenceSource
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from contracts.receipts import RunRef
from flows.stages.plan import RunRequest
from flows.stages.run import UnitRun
from staging.config import LocalStagingConfig
from staging.factory import open_staging

if TYPE_CHECKING:
    from collections.abc import Callable


def run_once(order: dict[str, Any], say: Callable[[Any], None]) -> int:
    """Run; say "ready", then what became of it."""
    source = ConfluenceSource(ConfluenceConfig.model_validate(order["wiki"]))
    sink = PostgresSink(PostgresConfig.model_validate({"url": order["sink"]}))
    staging = open_staging(LocalStagingConfig(path=Path(order["staging"])))
    units = source.list_units(source.collect_catalog("wiki"))
    unit = next(one for one in units if one.dataset.name == order["unit"])
    request = RunRequest(
        ref=RunRef(endpoint_id="wiki", unit_id=unit.unit_id, sink_id="raw"),
        unit=unit,
        mode=order["mode"],
        policy=unit.default_policy.model_copy(update={"census_every_s": 0}),
        checkpoint=order["checkpoint"],
    )
    run = UnitRun(source, sink, staging, request)
    say("ready")
    say(run.execute().model_dump(mode="json"))
    return 0
