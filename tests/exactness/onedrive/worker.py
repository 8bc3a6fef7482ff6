"""One run of one unit in a process of its own, so that it can be killed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.onedrive.config import OneDriveConfig
from connectors.onedrive.source import OneDriveSource
from connectors.postgres.config import PostgresConfig
from connectors.postgres.sink import PostgresSink
from contracts.receipts import RunRef
from contracts.unit import UnitPolicy
from flows.stages.plan import RunRequest
from flows.stages.run import UnitRun
from staging.config import LocalStagingConfig
from staging.factory import open_staging

if TYPE_CHECKING:
    from collections.abc import Callable


def run_once(order: dict[str, Any], say: Callable[[Any], None]) -> int:
    """Run; say "ready", then what became of it."""
    source = OneDriveSource(OneDriveConfig.model_validate(order["onedrive"]))
    sink = PostgresSink(PostgresConfig.model_validate({"url": order["sink"]}))
    staging = open_staging(LocalStagingConfig(path=Path(order["staging"])))
    units = source.list_units(source.collect_catalog("site"))
    unit = next(one for one in units if one.unit_id == f"onedrive.{order['unit']}")
    request = RunRequest(
        ref=RunRef(endpoint_id="site", unit_id=unit.unit_id, sink_id="raw"),
        unit=unit,
        mode=order["mode"],
        policy=UnitPolicy.model_validate({**unit.default_policy.model_dump(), **order["policy"]}),
        checkpoint=order["checkpoint"],
    )
    say("ready")
    say(UnitRun(source, sink, staging, request).execute().model_dump(mode="json"))
    return 0
