"""Requests to this machine never go through a proxy, whatever ``http_proxy`` says.

Prefect's clients, its worker and the runs that the worker starts take proxies from the environment, and a proxy cannot
reach our loopback. ``no_proxy`` is what all of them (httpx, websockets, urllib, botocore) read; children inherit it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import MutableMapping

HOSTS = ("127.0.0.1", "localhost", "::1")


def keep_loopback_direct(environ: MutableMapping[str, str] = os.environ) -> None:
    """Add loopback to ``no_proxy`` where the environment names a proxy; without one nothing changes.

    Both spellings are set: urllib prefers the lower-case one, other tools know the upper-case one only.
    """
    names = {name.lower() for name, value in environ.items() if value}
    if not names & {"http_proxy", "https_proxy", "all_proxy"}:
        return
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    direct = [each for each in map(str.strip, listed.split(",")) if each]
    value = ",".join([*direct, *(host for host in HOSTS if host not in direct and "*" not in direct)])
    environ["no_proxy"] = environ["NO_PROXY"] = value
