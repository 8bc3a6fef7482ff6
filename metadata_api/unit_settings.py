"""A unit's config as the API takes and shows it: schedules in kinds and minutes, one sink under two names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from contracts.errors import ConfigInvalidError
from contracts.unit import UnitConfig
from flows.prefect_api.schedules import prefect_schedule
from metadata_api.checks import require_data_mode, require_filter, require_mode
from metadata_api.errors import MalformedError
from state.units import effective_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from contracts.unit import EndpointUnitDescriptor
    from metadata_api.metadata_cache import EndpointMetadata, MetadataCache

MANUAL, INTERVAL, CRON = "manual", "interval", "cron"
_EVERY = re.compile(r"every (\d+)")


class Schedule(NamedTuple):
    """A schedule as the API shows it."""

    kind: str
    interval_minutes: int | None = None
    cron: str | None = None


def shown_schedule(schedule: str | None) -> Schedule:
    """``every 3600`` is an interval of 60 minutes; anything else a cron line."""
    if not schedule:
        return Schedule(MANUAL)
    found = _EVERY.fullmatch(schedule.strip())
    return Schedule(INTERVAL, max(1, int(found.group(1)) // 60)) if found else Schedule(CRON, cron=schedule)


def read_schedule(kind: str | None, interval_minutes: int | None, cron: str | None) -> str | None:
    """The schedule as unit configs hold it.

    Raises:
        MalformedError: The kind is unknown, or what belongs to it is missing.
        ConfigInvalidError: It is no cron line.
    """
    chosen = (kind or (INTERVAL if interval_minutes else CRON if cron else MANUAL)).lower()
    if chosen == MANUAL:
        return None
    if chosen == INTERVAL and interval_minutes and 0 < interval_minutes <= 525_600:
        return f"every {interval_minutes * 60}"
    if chosen == CRON and cron:
        prefect_schedule(cron)
        return cron
    raise MalformedError(
        "The schedule is not complete",
        "scheduleKind is manual, interval (with scheduleIntervalMinutes) or cron (with scheduleCron).",
    )


def changed(
    metadata: MetadataCache,
    endpoint: EndpointMetadata,
    unit: EndpointUnitDescriptor,
    before: UnitConfig,
    changes: Mapping[str, Any],
) -> UnitConfig:
    """The config after the changes, if it could run so.

    Args:
        metadata: Of sinks.
        endpoint: The unit's endpoint.
        unit: The unit.
        before: What was set.
        changes: Fields of UnitConfig; those that are left out stay, ``policy`` holds fields of the policy.

    Raises:
        IngestionError: A field is malformed, or unit, sink and filter do not fit.
    """
    plain = {**before.model_dump(mode="json"), "policy": policy_shown(before)}
    policy = {**plain["policy"], **changes.get("policy", {})} if "policy" in changes else plain["policy"]
    try:
        after = UnitConfig.model_validate({**plain, **changes, "policy": policy})
    except ValidationError as error:
        said = error.errors(include_input=False)
        problems = [f"{'.'.join(map(str, each['loc'][:3]))}: {each['msg']}" for each in said]
    else:
        _require_sound(metadata, endpoint, unit, after)
        return after
    raise ConfigInvalidError(f"The config cannot be used: {'; '.join(problems)[:500]}", "Correct these fields.")


def policy_shown(config: UnitConfig) -> dict[str, Any]:
    """The policy's fields that were set."""
    return config.policy.model_dump(mode="json", exclude_unset=True)


def _require_sound(
    metadata: MetadataCache, endpoint: EndpointMetadata, unit: EndpointUnitDescriptor, config: UnitConfig
) -> None:
    policy = effective_policy(unit, config, None)
    require_filter(endpoint, unit, policy)
    require_mode(unit, config.mode, policy)
    if config.sink_id is not None:
        require_data_mode(unit, metadata.sink(config.sink_id), config.data_mode)
    elif config.data_mode == "cdm":
        raise MalformedError("Data mode cdm needs a sink", "Set sinkId too.")
