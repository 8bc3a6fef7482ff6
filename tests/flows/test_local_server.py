"""The server of `nucleus up`: its settings take effect, writes queue in order, a schema is checked once."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from prefect._internal.schemas import validators
from prefect.server.schemas.schedules import CronSchedule

from flows.local.commands import SERVER, environment
from flows.local.pacing import WriteQueue, checked_once
from flows.local.prefect_server import read_timezones_once

SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}


def test_a_schema_is_checked_once_for_its_text() -> None:
    asked: list[Any] = []
    check = checked_once(asked.append)
    check(SCHEMA)
    check({**SCHEMA}, format_checker=object())
    assert asked == [SCHEMA]
    check({**SCHEMA, "required": ["id"]})
    assert len(asked) == 2


def test_a_schema_that_failed_is_checked_again() -> None:
    asked: list[Any] = []

    def refuse(schema: Any) -> None:
        asked.append(schema)
        raise ValueError(schema)

    check = checked_once(refuse)
    for _ in range(2):
        with pytest.raises(ValueError, match="objec"):
            check({"type": "objec"})
    assert len(asked) == 2


def test_what_is_remembered_has_a_bound() -> None:
    asked: list[Any] = []
    check = checked_once(asked.append)
    for number in range(2_500):
        check({"maximum": number})
    check({"maximum": 2_499})
    check({"maximum": 0})
    assert len(asked) == 2_501


@pytest.mark.slow
def test_prefect_knows_every_setting_we_give_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PREFECT")]:
        monkeypatch.delenv(name)
    given = {**environment(tmp_path, "http://127.0.0.1:1/api"), **SERVER}
    shown = (
        "import json; from prefect.settings import get_current_settings as now; "
        "print(json.dumps(now().to_environment_variables(exclude_unset=True)))"
    )
    ran = subprocess.run([sys.executable, "-c", shown], env=given, check=True, capture_output=True, text=True)
    ours = SERVER.keys() | {name for name in given if name.startswith("PREFECT")}
    assert ours - json.loads(ran.stdout).keys() == set(), "Prefect has no such settings"


def test_time_zones_are_read_once_however_many_schedules_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Mock(return_value=("UTC", "Europe/Berlin"))
    monkeypatch.setattr(validators, "get_timezones", read)
    read_timezones_once()
    for zone in ("UTC", "Europe/Berlin", "UTC"):
        assert CronSchedule(cron="0 * * * *", timezone=zone).timezone == zone
    with pytest.raises(ValueError, match="Invalid timezone"):
        CronSchedule(cron="0 * * * *", timezone="Mars/Olympus")
    assert read.call_count == 1


def test_writes_get_their_turn_in_the_order_they_came() -> None:
    async def body() -> list[str]:
        queue, seen = WriteQueue(), []

        async def write(name: str) -> None:
            async with queue.turn():
                seen.append(f"{name} begins")
                await asyncio.sleep(0.001)
                seen.append(f"{name} ends")

        await asyncio.gather(*(write(str(n)) for n in range(5)))
        return seen

    assert asyncio.run(body()) == [f"{n} {what}" for n in range(5) for what in ("begins", "ends")]


def test_a_write_inside_of_a_write_does_not_wait_for_itself_and_a_left_over_task_does() -> None:
    async def body() -> list[str]:
        queue, seen = WriteQueue(), []
        go_on = asyncio.Event()

        async def left_over() -> None:
            await go_on.wait()
            async with queue.turn():
                seen.append("left over")

        async with queue.turn():
            task = asyncio.create_task(left_over())  # it takes the context of the write that began it along
            async with queue.turn():
                seen.append("inner")
        async with queue.turn():
            go_on.set()
            await asyncio.sleep(0.01)
            seen.append("other write")
        await task
        return seen

    assert asyncio.run(asyncio.wait_for(body(), 10)) == ["inner", "other write", "left over"]


def test_a_write_that_fails_or_is_cancelled_gives_its_turn_away() -> None:
    async def body() -> str:
        queue = WriteQueue()

        async def fail() -> None:
            async with queue.turn():
                raise ValueError("no")

        async def hang() -> None:
            async with queue.turn():
                await asyncio.sleep(60)

        with pytest.raises(ValueError, match="no"):
            await fail()
        hanging = asyncio.create_task(hang())
        await asyncio.sleep(0.01)
        hanging.cancel()
        async with queue.turn():
            return "went on"

    assert asyncio.run(asyncio.wait_for(body(), 10)) == "went on"
