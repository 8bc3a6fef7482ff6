"""The control plane that runs under a folder: its addresses and processes, as ``up.json`` keeps them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from flows.prefect_api.client import up_file

if TYPE_CHECKING:
    from pathlib import Path


class LocalControlPlane(NamedTuple):
    """Addresses and process ids of what ``nucleus up`` started."""

    api_url: str
    """Of the Prefect API: ``http://127.0.0.1:<port>/api``."""
    pids: dict[str, int]
    """By name: ``server``, ``worker``, ``api``."""
    home: Path
    nucleus_api_url: str | None = None
    """Of our own API (webhook, GraphQL, console); None where it was not started."""
    console_open: bool = False
    """The console asks callers on this machine for no token."""

    @property
    def console_url(self) -> str | None:
        """Where an operator works; None without the API."""
        return None if self.nucleus_api_url is None else f"{self.nucleus_api_url}/console"

    @property
    def ui_url(self) -> str:
        """Where a person looks."""
        return self.api_url.removesuffix("/api")


def read_record(home: Path) -> LocalControlPlane | None:
    """What was started under ``home``, whether it still runs or not; None when nothing was, or the file is damaged."""
    try:
        record = json.loads(up_file(home).read_text())
        pids = {str(name): int(pid) for name, pid in record["pids"].items()}
        is_open = record.get("console_open") is True
        return LocalControlPlane(str(record["api_url"]), pids, home, record.get("door_url"), is_open)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_record(plane: LocalControlPlane) -> None:
    """Replace the file in one step; other commands read it at any moment."""
    file = up_file(plane.home)
    draft = file.with_suffix(".draft")
    record = {
        "api_url": plane.api_url,
        "pids": plane.pids,
        "door_url": plane.nucleus_api_url,
        "console_open": plane.console_open,
    }
    draft.write_text(json.dumps(record))
    draft.chmod(0o600)
    draft.replace(file)
