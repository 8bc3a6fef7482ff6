"""What operators set as schedules of units and of catalogs, as schedules of their deployments.

The state is the truth; Prefect's copy can be lost (deploying again removes it) and is made again from them.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from contracts.errors import ConfigInvalidError, ControlPlaneError
from contracts.receipts import RunRef
from flows.prefect_api.client import AlreadyThereError
from flows.prefect_api.collection_runs import COLLECT_DEPLOYMENT
from flows.prefect_api.runs import DEPLOYMENT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from contracts.unit import UnitConfig
    from flows.prefect_api.client import ControlPlane

_EVERY = re.compile(r"every (\d{1,9})")
_SLUG, _CATALOG_SLUG = "unit-", "catalog-"
_AT_ONCE = 100


def prefect_schedule(schedule: str) -> dict[str, Any]:
    """``every <seconds>`` or a cron line (UTC) as Prefect's API takes it.

    Raises:
        ConfigInvalidError: It is neither.
    """
    if match := _EVERY.fullmatch(schedule.strip()):
        seconds = int(match.group(1))
        if seconds:
            return {"interval": seconds}
    from prefect.client.schemas.schedules import CronSchedule  # noqa: PLC0415 - loads Prefect

    try:  # without a zone: Prefect would look through all there are on the disk, 8 ms for each schedule
        return {"cron": CronSchedule(cron=schedule.strip()).cron, "timezone": "UTC"}
    except ValueError:
        raise ConfigInvalidError(
            f"{schedule[:60]!r} is no schedule", "Give a cron line, or `every <seconds>`.", schedule=schedule[:60]
        ) from None


def sync_schedules(plane: ControlPlane, configs: Iterable[UnitConfig], held: Collection[RunRef]) -> int:
    """Make Prefect's schedules what the configs say; how many were made or removed.

    Args:
        plane: The server.
        configs: Of every unit that was configured.
        held: Paused: they have no schedule meanwhile.
    """
    return _synced(plane, DEPLOYMENT, _SLUG, [_wanted(each) for each in _due(configs, held)])


def sync_collections(plane: ControlPlane, schedules: Mapping[str, str]) -> int:
    """The same for collections of catalogs.

    Args:
        plane: The server.
        schedules: By endpoint id.
    """
    wanted = [
        _schedule(f"{_CATALOG_SLUG}{_digest(endpoint_id)}", schedule, {"endpoint_id": endpoint_id})
        for endpoint_id, schedule in schedules.items()
    ]
    return _synced(plane, COLLECT_DEPLOYMENT, _CATALOG_SLUG, wanted)


def _synced(plane: ControlPlane, name: str, prefix: str, schedules: Iterable[dict[str, Any]]) -> int:
    """Schedules of one deployment whose slug has the prefix; others are left alone."""
    wanted = {made["slug"]: made for made in schedules}
    deployment = plane.call("GET", f"/deployments/name/{name}")
    if deployment is None and not wanted:
        return 0
    if deployment is None:
        raise ControlPlaneError(f"There is no deployment {name}", "Run `nucleus up`, or `prefect deploy --all`.")
    path = f"/deployments/{deployment['id']}/schedules"
    there = {each["slug"]: each for each in plane.call("GET", path) or () if str(each["slug"]).startswith(prefix)}
    stale = [each for slug, each in there.items() if not _same(each, wanted.get(slug))]
    kept = there.keys() - {each["slug"] for each in stale}
    for each in stale:
        plane.call("DELETE", f"{path}/{each['id']}")
    new = [schedule for slug, schedule in wanted.items() if slug not in kept]
    for first in range(0, len(new), _AT_ONCE):
        _create(plane, path, new[first : first + _AT_ONCE])
    if new:
        # The scheduler would look at them within a minute: too late for a schedule shorter than that.
        plane.call("POST", f"/deployments/{deployment['id']}/schedule", {})
    return len(stale) + len(new)


def _create(plane: ControlPlane, path: str, schedules: Sequence[dict[str, Any]]) -> None:
    """In one call, as each reads all schedules of the deployment; one by one where another process has made some."""
    body: Any = [*schedules]  # the one body of Prefect's API that is a list
    try:
        plane.call("POST", path, body)
    except AlreadyThereError:
        if len(schedules) == 1:
            return
        for each in schedules:
            _create(plane, path, [each])


def _due(configs: Iterable[UnitConfig], held: Collection[RunRef]) -> list[UnitConfig]:
    return [
        each
        for each in configs
        if each.schedule
        and each.enabled
        and each.sink_id
        and RunRef(endpoint_id=each.endpoint_id, unit_id=each.unit_id, sink_id=each.sink_id) not in held
    ]


def _wanted(config: UnitConfig) -> dict[str, Any]:
    parameters = {"endpoint_id": config.endpoint_id, "unit_id": config.unit_id, "sink_id": config.sink_id}
    return _schedule(f"{_SLUG}{_digest(f'{config.endpoint_id}/{config.unit_id}')}", config.schedule or "", parameters)


def _schedule(slug: str, schedule: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"schedule": prefect_schedule(schedule), "active": True, "slug": slug, "parameters": parameters}


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _same(there: Mapping[str, Any], wanted: Mapping[str, Any] | None) -> bool:
    if wanted is None or there["parameters"] != wanted["parameters"] or not there["active"]:
        return False
    return all(there["schedule"].get(name) == value for name, value in wanted["schedule"].items())
