"""The line to the Prefect API: which server, one open client, and what its failures are called.

Prefect is imported only when somebody connects; and never is a server started because none was named.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from contracts.errors import ConfigInvalidError, ControlPlaneError
from flows.prefect_api.loopback import keep_loopback_direct

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    import httpx
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.settings import Settings

API_URL, LOGIN = "PREFECT_API_URL", "PREFECT_API_AUTH_STRING"
_HINT = "Run `nucleus up`, or set PREFECT_API_URL to a running Prefect server."
RESTART_PATIENCE_S = 60.0
"""How long a flow run waits for a server that refuses connections."""
_RECONNECT_EVERY_S = 1.0
_AWAY_FOR_S = 1.0
_BUSY = (429, 503)


class AlreadyThereError(Exception):
    """The server holds an object of that name (409)."""


class ControlPlane:
    """One open client of the Prefect API; safe between threads. Close it, or use it as a context.

    Args:
        client: Opened; closed with this object.
        answer_within_s: Give a call up after so many seconds, and then refuse those of the next second at once; for
            callers that somebody waits for. None: as patient as Prefect's client, which tries for minutes.
    """

    def __init__(self, client: SyncPrefectClient, answer_within_s: float | None = None) -> None:
        self.client = client
        self._answer_within_s = answer_within_s
        self._away_until = 0.0
        self._once: Settings | None = None

    def call(
        self, method: Any, path: str, body: Mapping[str, Any] | None = None, params: Mapping[str, Any] | None = None
    ) -> Any:
        """The JSON answer, ``{}`` for an empty one; None for 404. 429 and 503 are tried again.

        Inside a flow run, a server that refuses connections is waited for: it is being restarted, and the run would
        otherwise fail before it began. Nothing was sent, so every kind of call may be repeated.

        Raises:
            AlreadyThereError: 409.
            ControlPlaneError: The server did not answer, or refused otherwise.
        """
        import httpx  # noqa: PLC0415 - loaded with Prefect, not before

        try:
            answer = self._request(method, path, body, params)
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status == 404:
                return None
            if status == 409:
                raise AlreadyThereError(path) from None
            raise ControlPlaneError(
                f"The Prefect API answered {status} to {method} {path}", _advice(status), status=status
            ) from None
        except httpx.HTTPError as error:
            raise unreachable(str(self.client.api_url), type(error).__name__) from None
        return answer.json() if answer.content else {}

    def _request(
        self, method: Any, path: str, body: Mapping[str, Any] | None, params: Mapping[str, Any] | None
    ) -> httpx.Response:
        import httpx  # noqa: PLC0415 - loaded with Prefect, not before

        if self._answer_within_s is not None:
            return self._request_within(self._answer_within_s, method, path, json=body, params=dict(params or {}))
        deadline = time.monotonic() + (RESTART_PATIENCE_S if _in_flow_run() else 0.0)
        while True:
            try:
                return self.client.request(method, path, json=body, params=dict(params or {}))  # type: ignore[arg-type]
            except httpx.ConnectError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(_RECONNECT_EVERY_S)

    def _request_within(self, seconds: float, method: Any, path: Any, **how: Any) -> httpx.Response:
        import httpx  # noqa: PLC0415 - loaded with Prefect, not before

        if time.monotonic() < self._away_until:
            raise httpx.ConnectError("it did not answer a moment ago")
        deadline = time.monotonic() + seconds
        left_s = seconds
        try:
            while True:
                try:
                    with self._without_retries():  # but about two seconds are slept after a busy answer all the same
                        return self.client.request(method, path, **how, timeout=left_s)
                except httpx.HTTPStatusError as error:
                    left_s = deadline - time.monotonic()
                    if error.response.status_code not in _BUSY or left_s <= 0:
                        raise
        except httpx.TransportError:
            self._away_until = time.monotonic() + _AWAY_FOR_S
            raise

    def _without_retries(self) -> AbstractContextManager[object]:
        """The settings of now, in which Prefect's client tries once."""
        from prefect.context import SettingsContext, get_settings_context  # noqa: PLC0415 - loaded with the client
        from prefect.settings import PREFECT_CLIENT_MAX_RETRIES  # noqa: PLC0415

        context = get_settings_context()
        if self._once is None:  # made once: a copy of the settings takes milliseconds
            self._once = context.settings.copy_with_update(updates={PREFECT_CLIENT_MAX_RETRIES: 0})
        return SettingsContext(profile=context.profile, settings=self._once)

    def close(self) -> None:
        """Close the connections."""
        self.client.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(home: Path | None = None, answer_within_s: float | None = None, *, check: bool = True) -> ControlPlane:
    """A client of the server in use: PREFECT_API_URL, else the one ``nucleus up`` runs, else the profile's.

    Args:
        home: The folder of ``nucleus up``; NUCLEUS_HOME or ``~/.nucleus`` when None.
        answer_within_s: See :class:`ControlPlane`.
        check: Ask the server whether it is well.

    Raises:
        ControlPlaneError: None of them is set, or the server does not answer.
    """
    find_api(home)
    from prefect.client.orchestration import get_client  # noqa: PLC0415 - more than a second to load

    # Settings of our own, because inside a flow Prefect would hand out the client the flow itself uses.
    client = get_client(httpx_settings={"headers": {}}, sync_client=True)
    plane = ControlPlane(client.__enter__(), answer_within_s)
    try:
        if check:
            plane.call("GET", "/health")
    except BaseException:
        plane.close()
        raise
    return plane


def find_api(home: Path | None = None) -> str:
    """The URL of the Prefect API in use. URL and login of ``nucleus up`` are made known to Prefect where they were not.

    Raises:
        ControlPlaneError: No server is named anywhere.
    """
    keep_loopback_direct()
    local = running_api(home)
    login = None if local is None else saved_login(home)
    if "prefect" not in sys.modules:
        name_local_server(home)
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL  # noqa: PLC0415 - slow to load

    url = PREFECT_API_URL.value() or local
    if url is None:
        raise ControlPlaneError("No Prefect server is running here", _HINT)
    is_known = bool(PREFECT_API_URL.value()) and login in {None, PREFECT_API_AUTH_STRING.value()}
    if local is not None and url == local and not is_known:
        _adopt(local, login)
    return str(url)


def name_local_server(home: Path | None = None) -> None:
    """Put URL and login of what ``nucleus up`` runs into the environment, unless another server is named there.

    Prefect reads the variables when it is imported, for every thread; so this comes before.
    """
    local = running_api(home)
    if local is not None and os.environ.get(API_URL) in {None, "", local}:
        os.environ.update(_variables(local, saved_login(home)))


def running_api(home: Path | None = None) -> str | None:
    """The API that ``nucleus up`` runs under ``home``, if its process lives."""
    try:
        noted = json.loads(up_file(home).read_text())
        os.kill(int(noted["pids"]["server"]), 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(noted["api_url"])


def saved_login(home: Path | None = None) -> str | None:
    """What the Prefect server of ``nucleus up`` asks for, ``user:password``; None where none was made."""
    try:
        return login_file(home).read_text()
    except OSError:
        return None


def login_file(home: Path | None = None) -> Path:
    """Where ``nucleus up`` keeps the login of its Prefect server (mode 0600)."""
    return (home or home_folder()) / "prefect-login"


USE_ANOTHER_HOME = "Set NUCLEUS_HOME to a folder that this account can write to."


def up_file(home: Path | None = None) -> Path:
    """Where ``nucleus up`` notes what it started."""
    return (home or home_folder()) / "up.json"


def home_folder() -> Path:
    """NUCLEUS_HOME, or ``~/.nucleus``.

    Raises:
        ConfigInvalidError: Neither NUCLEUS_HOME nor HOME is set, and the account has no home either.
    """
    try:
        return Path(os.environ.get("NUCLEUS_HOME") or Path.home() / ".nucleus")
    except RuntimeError as error:
        raise ConfigInvalidError("This account has no home folder", USE_ANOTHER_HOME, field="NUCLEUS_HOME") from error


def unreachable(url: str, why: str) -> ControlPlaneError:
    """The error of a server that does not answer."""
    return ControlPlaneError(f"The Prefect API at {url} does not answer ({why})", _HINT, url=url)


def _adopt(url: str, login: str | None) -> None:
    """Make the server known where Prefect was imported before: to this context, and by variables to child processes.

    Entered for good and not by ``temporary_settings``: that is a generator, which Python would end when the process
    does, in another context than the one it began in, and complain.
    """
    from prefect.context import SettingsContext, get_settings_context  # noqa: PLC0415
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL  # noqa: PLC0415

    os.environ.update(_variables(url, login))
    known = get_settings_context()
    updates: dict[Any, Any] = {PREFECT_API_URL: url, **({PREFECT_API_AUTH_STRING: login} if login else {})}
    SettingsContext(profile=known.profile, settings=known.settings.copy_with_update(updates=updates)).__enter__()


def _variables(url: str, login: str | None) -> dict[str, str]:
    return {API_URL: url, **({LOGIN: login} if login else {})}


def _in_flow_run() -> bool:
    if "prefect" not in sys.modules:
        return False
    from prefect.context import FlowRunContext  # noqa: PLC0415 - loaded by whoever runs a flow

    return FlowRunContext.get() is not None


def _advice(status: int) -> str:
    if status in {401, 403}:
        return "Check PREFECT_API_AUTH_STRING or PREFECT_API_KEY."
    return "Look at the server's log; run again when it is well."
