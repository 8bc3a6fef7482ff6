"""The only module that spells keys.

A session is ``[root]ingestion/<workspaceId>/<endpointId>/<runId>/<sliceIndex>/<attempt>/`` and holds
``part-00000.parquet`` and so on, ``manifest.json``, ``_SUCCESS`` and, once a sink has it, ``_CONSUMED``.
Ids are percent-encoded, so any id makes one path segment and can be read back from the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from contracts.staging import StagingContext

_AREA = "ingestion/"
_SEGMENTS = 5
_EMPTY = "%"
"""Stands for an empty id; no encoded id is a lone percent sign."""


class SessionPlace(NamedTuple):
    """What a session's key says about it."""

    workspace_id: str
    endpoint_id: str
    run_id: str
    sequence: int
    attempt: str


def area_prefix(root: str = "") -> str:
    """Prefix of every session's key; ``root`` is empty or ends with ``/``."""
    return root + _AREA


def session_key(context: StagingContext, root: str = "") -> str:
    """Key prefix of the session for that slice and attempt, ending with ``/``."""
    ids = (context.workspace_id, context.endpoint_id, context.run_id, str(context.sequence), context.attempt)
    return area_prefix(root) + "".join(f"{_encode(one)}/" for one in ids)


def part_key(session: str, index: int) -> str:
    """Key of the session's part number ``index``, from 0."""
    return f"{session}part-{index:05d}.parquet"


def manifest_key(session: str) -> str:
    """Key of the session's manifest."""
    return f"{session}manifest.json"


def success_key(session: str) -> str:
    """Key of the object that makes the session sealed."""
    return f"{session}_SUCCESS"


def consumed_key(session: str) -> str:
    """Key of the object that says a sink has committed the session's rows."""
    return f"{session}_CONSUMED"


def probe_key(token: str, root: str = "") -> str:
    """Key of a small object written to test the connection; never taken for part of a session."""
    return f"{area_prefix(root)}.probe-{_encode(token)}"


def session_of(key: str) -> str:
    """The session prefix an object's key would belong to: all up to the last ``/``."""
    return key[: key.rfind("/") + 1]


def parse_session(session: str, root: str = "") -> SessionPlace | None:
    """What the key prefix says, or None when it is not exactly one session's."""
    area = area_prefix(root)
    if not session.startswith(area) or not session.endswith("/"):
        return None
    segments = session[len(area) : -1].split("/")
    if len(segments) != _SEGMENTS or any(_encode(_decode(one)) != one for one in segments):
        return None
    workspace_id, endpoint_id, run_id, sequence, attempt = (_decode(one) for one in segments)
    if not (sequence.isascii() and sequence.removeprefix("-").isdigit()):
        return None
    return SessionPlace(workspace_id, endpoint_id, run_id, int(sequence), attempt)


def _encode(one: str) -> str:
    encoded = quote(one, safe="") or _EMPTY
    # "." and ".." mean folders to a file system.
    return encoded.replace(".", "%2E") if not encoded.strip(".") else encoded


def _decode(segment: str) -> str:
    return "" if segment == _EMPTY else unquote(segment)
