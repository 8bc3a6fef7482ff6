"""What the API is told by its environment; keys and tokens come from there or from a file that only its owner reads.

=================================  ==========================================================================
``NUCLEUS_API_SIGNING_KEYS``       ``id:secret,id:secret``: every one is valid, so keys can be rotated
``NUCLEUS_API_TOKENS``             ``admin:token,viewer:token``; a role may stand several times
``NUCLEUS_API_CALLBACK_HOSTS``     ``hooks.example.com,*.example.org,host:8443``; no callbacks when empty
``NUCLEUS_API_CALLBACK_PRIVATE``   ``1`` also allows plain http and addresses of private networks
``NUCLEUS_API_RATE``               requests per second of one key or token, 50
``NUCLEUS_API_PREFECT_TIMEOUT_S``  seconds until a call of Prefect's API is given up and answered with 503, 4
``NUCLEUS_API_BODY_BYTES``         largest body of a webhook, 65536; GraphQL takes four times as much
``NUCLEUS_API_CONSOLE_OPEN``       ``1`` lets callers on this machine use the console without a token
``NUCLEUS_API_DOCS_URL``           where the documentation is published; the console links to it
=================================  ==========================================================================
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from contracts.errors import ConfigInvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Role = Literal["viewer", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "admin")
LEAST_SECRET = 16
"""Characters of a signing key or token; less can be guessed."""
FILE = "api.json"


@dataclass(frozen=True)
class ApiSettings:
    """Everything the API is told; secrets stay out of its text.

    Attributes:
        signing_keys: Key id to secret, the one for callbacks of unknown keys first.
        tokens: Bearer token to role.
        callback_hosts: Host patterns that callbacks may go to.
        callback_private: Plain http and private addresses are allowed.
        rate: Requests per second of one key or token.
        body_bytes: Largest webhook body.
        prefect_timeout_s: A call of Prefect's API is given up after so many seconds.
        console_open: Callers on loopback need no token for the console.
        docs_url: Of the published documentation; empty where it is not published.
    """

    signing_keys: Mapping[str, str] = field(repr=False)
    tokens: Mapping[str, Role] = field(repr=False)
    callback_hosts: tuple[str, ...] = ()
    callback_private: bool = False
    rate: float = 50.0
    body_bytes: int = 65_536
    prefect_timeout_s: float = 4.0
    console_open: bool = False
    docs_url: str = ""


def load_settings(home: Path, environ: Mapping[str, str] = os.environ) -> ApiSettings:
    """The settings; keys and tokens that nobody set are made once and kept in ``api.json`` under ``home``.

    Raises:
        ConfigInvalidError: A setting cannot be read; the error names it and repeats nothing of it.
    """
    keys = _pairs("NUCLEUS_API_SIGNING_KEYS", environ.get("NUCLEUS_API_SIGNING_KEYS", ""))
    tokens = _pairs("NUCLEUS_API_TOKENS", environ.get("NUCLEUS_API_TOKENS", ""))
    made = _kept(home / FILE) if not (keys and tokens) else {}
    if any(role not in ROLES for role, _ in tokens):
        raise _refused("NUCLEUS_API_TOKENS", f"roles are {' and '.join(ROLES)}")
    return ApiSettings(
        signing_keys=dict(keys) or made["signing_keys"],
        tokens={token: cast("Role", role) for role, token in tokens or [*made["tokens"].items()]},
        callback_hosts=_hosts(environ.get("NUCLEUS_API_CALLBACK_HOSTS", "")),
        callback_private=environ.get("NUCLEUS_API_CALLBACK_PRIVATE", "") == "1",
        rate=_number("NUCLEUS_API_RATE", environ.get("NUCLEUS_API_RATE", "50")),
        prefect_timeout_s=_number("NUCLEUS_API_PREFECT_TIMEOUT_S", environ.get("NUCLEUS_API_PREFECT_TIMEOUT_S", "4")),
        body_bytes=int(_number("NUCLEUS_API_BODY_BYTES", environ.get("NUCLEUS_API_BODY_BYTES", "65536"))),
        console_open=environ.get("NUCLEUS_API_CONSOLE_OPEN", "") == "1",
        docs_url=_web_address("NUCLEUS_API_DOCS_URL", environ.get("NUCLEUS_API_DOCS_URL", "")),
    )


def _pairs(name: str, text: str) -> list[tuple[str, str]]:
    found = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        label, sign, secret = part.partition(":")
        if not (label and sign and len(secret) >= LEAST_SECRET):
            raise _refused(name, f"each part is name:secret, and a secret has {LEAST_SECRET} characters or more")
        found.append((label, secret))
    return found


def _kept(file: Path) -> dict[str, dict[str, str]]:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = {
        "signing_keys": {"local": secrets.token_hex(32)},
        "tokens": {role: secrets.token_urlsafe(32) for role in ROLES},
    }
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        json.dump(made, opened, indent=2)
    with suppress(FileExistsError):
        os.link(draft, file)  # whole or not at all, and the first of two processes wins
    draft.unlink()
    try:
        return cast("dict[str, dict[str, str]]", json.loads(file.read_text()))
    except ValueError:
        raise _refused(str(file), "it is not JSON; remove it to have new keys made") from None


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(part.strip().lower() for part in text.split(",") if part.strip())


def _web_address(name: str, text: str) -> str:
    if text and not text.startswith(("https://", "http://")):
        raise _refused(name, "it is a URL that begins with https:// or http://")
    return text.rstrip("/")


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        raise _refused(name, "it is a number above zero")
    return value


def _refused(name: str, why: str) -> ConfigInvalidError:
    return ConfigInvalidError(f"{name} cannot be used", f"Correct it: {why}.", name=name)
