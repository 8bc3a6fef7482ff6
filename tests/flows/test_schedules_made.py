"""Schedules are made a hundred to a call: each call costs the server a look at all that the deployment has."""

from __future__ import annotations

import zoneinfo
from typing import TYPE_CHECKING, Any, cast

import pytest

from contracts.errors import ConfigInvalidError
from contracts.unit import UnitConfig
from flows.prefect_api.client import AlreadyThereError
from flows.prefect_api.schedules import prefect_schedule, sync_schedules

if TYPE_CHECKING:
    from flows.prefect_api.client import ControlPlane


class ScheduleServer:
    """Knows schedules by their slugs, as Prefect does: one that is there refuses the whole call."""

    def __init__(self, *unseen: str) -> None:
        self.there: dict[str, dict[str, Any]] = {}
        self.unseen = {*unseen}
        self.made: list[int] = []

    def call(self, method: str, path: str, body: Any = None) -> Any:
        if path.startswith("/deployments/name/"):
            return {"id": "deployment"}
        if method == "POST" and path.endswith("/schedules"):
            slugs = [each["slug"] for each in body]
            if self.there.keys() & slugs or self.unseen & {*slugs}:
                raise AlreadyThereError(path)
            self.there |= {each["slug"]: {"id": each["slug"], **each} for each in body}
            self.made.append(len(body))
        elif method == "DELETE":
            del self.there[path.rpartition("/")[2]]
        return [*self.there.values()]


def configs(number: int) -> list[UnitConfig]:
    return [
        UnitConfig(endpoint_id="shop", unit_id=f"public.t{each}", sink_id="lake", schedule=f"{each % 60} * * * *")
        for each in range(number)
    ]


def synced(server: ScheduleServer, wanted: list[UnitConfig]) -> int:
    return sync_schedules(cast("ControlPlane", server), wanted, frozenset())


def test_many_are_made_by_few_calls_and_then_none() -> None:
    server = ScheduleServer()
    assert synced(server, configs(250)) == 250
    assert (server.made, len(server.there)) == ([100, 100, 50], 250)
    assert synced(server, configs(250)) == 0
    assert synced(server, configs(249)) == 1
    assert len(server.there) == 249


def test_one_that_another_process_has_made_meanwhile_keeps_none_back() -> None:
    server = ScheduleServer()
    synced(server, configs(4))
    (taken,) = [slug for slug, each in server.there.items() if each["parameters"]["unit_id"] == "public.t2"]
    server = ScheduleServer(taken)
    synced(server, configs(4))
    assert len(server.there) == 3
    assert server.made == [1, 1, 1]


def test_a_cron_line_is_checked_without_a_look_at_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect's model reads their names from the disk when it is given one: 8 ms, for each schedule at each look."""
    looks: list[int] = []

    def counted() -> tuple[str, ...]:
        looks.append(1)
        return (*zoneinfo.available_timezones(),)

    monkeypatch.setattr("prefect._internal.schemas.validators.get_timezones", counted)
    assert prefect_schedule("*/5 * * * *") == {"cron": "*/5 * * * *", "timezone": "UTC"}
    with pytest.raises(ConfigInvalidError, match="is no schedule"):
        prefect_schedule("61 * * * *")
    assert not looks
