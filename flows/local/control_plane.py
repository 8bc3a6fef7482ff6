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
    """Of our own API (webhook and GraphQL); None where it was not started."""

    @property
    def ui_url(self) -> str:
        """Where a person looks."""
        return self.api_url.removesuffix("/api")


def read_record(home: Path) -> LocalControlPlane | None:
    """What was started under ``home``, whether it still runs or not; None when nothing was, or the file is damaged."""
    try:
        record = json.loads(up_file(home).read_text())
        pids = {str(name): int(pid) for name, pid in record["pids"].items()}
        return LocalControlPlane(str(record["api_url"]), pids, home, record.get("door_url"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_record(plane: LocalControlPlane) -> None:
    """Replace the file in one step; other commands read it at any moment."""
    file = up_file(plane.home)
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"api_url": plane.api_url, "pids": plane.pids, "door_url": plane.nucleus_api_url}))
    draft.chmod(0o600)
    draft.replace(file)
