"""A background service of the server that fails is named by `nucleus up` and `nucleus status`."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pkgutil import resolve_name
from typing import TYPE_CHECKING

import pytest

from contracts.errors import ServerServiceError
from flows.local import launch
from flows.local.commands import server_command
from flows.local.services import ServiceMonitor, failing_services
from flows.local.up import down, up
from tests.prefect_template import seed

if TYPE_CHECKING:
    from pathlib import Path

    from flows.local.control_plane import LocalControlPlane


def resolve_all_but(missing: str, name: str) -> object:
    if name == missing:
        raise AttributeError(name)
    return resolve_name(name)


def nucleus(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    """The `nucleus` command, as a person calls it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "NUCLEUS"))}
    environment |= {"NUCLEUS_HOME": str(home), "PREFECT_HOME": str(home / "prefect")}
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.prefect
@pytest.mark.timeout(240)
def test_up_and_status_name_the_service_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(api_url: str, instance: str) -> list[str]:
        app = "flows.local.prefect_server:create_app"
        return [
            word.replace(app, "tests.flows.failing_server:create_app") for word in server_command(api_url, instance)
        ]

    monkeypatch.setattr(launch, "server_command", planted)
    running = up(seed(tmp_path), worker=False)
    try:
        (failing,) = failing_services(running.api_url, tmp_path, second_try_s=60)
        assert isinstance(failing, ServerServiceError)
        assert failing.facts["service"] == "planted_service"
        assert failing.facts["error"] == "RuntimeError"
        assert "secret" not in str(failing)
        assert str(tmp_path / "logs" / "server.log") in str(failing)

        shown = nucleus("status", "--json", home=tmp_path)
        assert shown.returncode == 0, shown.stderr
        (problem,) = json.loads(shown.stdout)["problems"]
        assert (problem["code"], problem["service"]) == ("E_SERVER_SERVICE_FAILING", "planted_service")
        assert "E_SERVER_SERVICE_FAILING: The service planted_service of the Prefect server failed" in shown.stderr
    finally:
        down(tmp_path)


def test_a_server_in_good_health_has_no_problems(control_plane: LocalControlPlane) -> None:
    assert failing_services(control_plane.api_url) == []


def test_a_server_of_somebody_else_is_not_judged(control_plane: LocalControlPlane) -> None:
    assert failing_services("http://127.0.0.1:9/api") == []
    assert failing_services(control_plane.ui_url + "/no/such/page/api") == []


def test_a_round_that_succeeds_clears_the_count() -> None:
    monitor = ServiceMonitor()
    outcomes = iter([ValueError, ValueError, None])

    async def rounds() -> None:
        if outcome := next(outcomes):
            raise outcome

    watched = monitor.watch_rounds(rounds)
    counts = []
    for _ in range(3):
        with suppress(ValueError):
            asyncio.run(watched())
        (report,) = monitor.report()
        counts.append((report["failures"], report["error"]))
    assert counts == [(1, "ValueError"), (2, "ValueError"), (0, None)]


def test_a_service_that_stopped_is_not_one_that_was_told_to_stop() -> None:
    monitor = ServiceMonitor()

    async def broken() -> None:
        raise OSError("gone")

    async def ended() -> None:
        raise asyncio.CancelledError

    async def body() -> None:
        with pytest.raises(OSError, match="gone"):
            await monitor.watch_start("Broken", broken)()
        with pytest.raises(asyncio.CancelledError):
            await monitor.watch_start("Ended", ended)()

    asyncio.run(body())
    assert [(each["service"], each["stopped"]) for each in monitor.report()] == [("Broken", True), ("Ended", False)]


@pytest.mark.slow
class TestUnchanged:
    """Prefect's own app where the changes would not fit."""

    @pytest.fixture
    def prefect_server(self):
        return importlib.import_module("flows.local.prefect_server")  # seconds: the whole of Prefect's server

    def test_this_prefect_is_the_one_the_changes_are_for(self, prefect_server) -> None:
        assert prefect_server.reason_to_run_unchanged() is None

    def test_another_version(self, prefect_server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prefect_server.prefect, "__version__", "3.9.1")
        assert prefect_server.reason_to_run_unchanged() == "Prefect is 3.9.1, and the changes are written for 3.8.x"

    def test_a_missing_part(self, prefect_server, monkeypatch: pytest.MonkeyPatch) -> None:
        assert len(prefect_server.REPLACED) == 5
        for name in prefect_server.REPLACED:
            monkeypatch.setattr(prefect_server, "resolve_name", partial(resolve_all_but, name))
            reason = prefect_server.reason_to_run_unchanged()
            assert reason == f"Prefect {prefect_server.prefect.__version__} has no {name}"

    def test_the_log_says_it_in_one_line(
        self, prefect_server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        made = object()
        monkeypatch.setattr(prefect_server.prefect, "__version__", "3.9.1")
        monkeypatch.setattr(prefect_server, "prefect_app", lambda: made)
        monkeypatch.setattr(prefect_server.gc, "freeze", lambda: None)
        monkeypatch.setattr(prefect_server, "queue_writes", pytest.fail)
        caplog.set_level("WARNING", logger="prefect.server.nucleus")
        monkeypatch.setattr(prefect_server._log, "propagate", True)
        monkeypatch.setattr(prefect_server._log.parent, "propagate", True)
        assert prefect_server.create_app() is made
        (line,) = [each for each in caplog.messages if "unchanged" in each]
        assert "3.9.1" in line
