"""The only module that builds and parses object keys.

A session is ``[root]ingestion/<workspaceId>/<endpointId>/<runId>/<sliceIndex>/<attempt>/`` and contains
``part-00000.parquet`` and so on, ``manifest.json``, ``_SUCCESS`` and, once a sink has committed it, ``_CONSUMED``.
Ids are percent-encoded, so that every id is one path segment and can be parsed from the key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from contracts.staging import StagingContext

_AREA = "ingestion/"
_SEGMENTS = 5
_EMPTY = "%"
"""Encodes an empty id; no other id is encoded as a lone percent sign."""


class SessionPath(NamedTuple):
    """The ids in a session's key."""

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
    """Key of the object that records that a sink has committed the session's rows."""
    return f"{session}_CONSUMED"


def probe_key(token: str, root: str = "") -> str:
    """Key of a small object that tests the connection; never mistaken for part of a session."""
    return f"{area_prefix(root)}.probe-{_encode(token)}"


def session_of(key: str) -> str:
    """The session that an object's key belongs to: everything up to the last ``/``."""
    return key[: key.rfind("/") + 1]


def parse_session(session: str, root: str = "") -> SessionPath | None:
    """The ids in the key prefix, or None if it is not the prefix of one session."""
    area = area_prefix(root)
    if not session.startswith(area) or not session.endswith("/"):
        return None
    segments = session[len(area) : -1].split("/")
    if len(segments) != _SEGMENTS or any(_encode(_decode(one)) != one for one in segments):
        return None
    workspace_id, endpoint_id, run_id, sequence, attempt = (_decode(one) for one in segments)
    if not (sequence.isascii() and sequence.removeprefix("-").isdigit()):
        return None
    return SessionPath(workspace_id, endpoint_id, run_id, int(sequence), attempt)


def _encode(one: str) -> str:
    encoded = quote(one, safe="") or _EMPTY
    # "." and ".." have a meaning in file systems.
    return encoded.replace(".", "%2E") if not encoded.strip(".") else encoded


def _decode(segment: str) -> str:
    return "" if segment == _EMPTY else unquote(segment)
