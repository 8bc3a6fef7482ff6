"""The one place where the driver's errors become ours, by SQLSTATE (PostgreSQL manual, appendix A)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from contracts import errors

if TYPE_CHECKING:
    from contracts.errors import IngestionError

Side = Literal["source", "sink"]

_UNREACHABLE = ("08", "57P01", "57P02", "57P03", "57P05", "53300")
_AUTH = ("28",)
_PASSING = ("40001", "40P01", "53", "55P03", "57014", "58", "XX")
_SCHEMA_CHANGED = ("42", "3F", "0A")
_VALUE = ("21", "22", "23", "54")

# What libpq says before it asks any server; of the values it reads later, the ones that are no number.
_REFUSED_PARAMETERS = re.compile(
    r"\[libpq\] Failed to connect: (?!connection to server|could not translate host name|timeout expired)"
    r"|invalid integer value"
)

_SOURCE: dict[str, type[IngestionError]] = {
    "unreachable": errors.SourceUnreachableError,
    "auth": errors.SourceAuthError,
    "tls": errors.SourceTlsError,
    "privilege": errors.SourcePrivilegeError,
    "schema": errors.SourceSchemaChangedError,
    "value": errors.SourceValueError,
    "width": errors.SourceValueError,
    "passing": errors.SourcePageFailedError,
    "view": errors.SourceViewLostError,
}
_SINK: dict[str, type[IngestionError]] = {
    "unreachable": errors.SinkUnreachableError,
    "auth": errors.SinkAuthError,
    "tls": errors.SinkTlsError,
    "privilege": errors.SinkPrivilegeError,
    "schema": errors.SinkSchemaConflictError,
    "value": errors.SinkValueError,
    "width": errors.SinkSchemaConflictError,
    "passing": errors.SinkWriteFailedError,
    "view": errors.SinkWriteFailedError,
}
_STATES = {"3D000": "database", "54011": "width"}
_NEXT_SINK = {
    "schema": "Change the table in the sink so that this works, or give the unit another target table; then run again.",
    "depends": "Drop what depends on the column, run again, and make it again: the column has its new type then.",
}
_NEXT = {
    "unreachable": "Check host, port and that the server runs; the run resumes where it stopped.",
    "auth": "Check user and password (or PGPASSWORD / pgpass).",
    "parameters": "Correct the URL or connection_options; PostgreSQL's manual lists libpq's parameter key words.",
    "tls": "Check ssl_mode and the certificates.",
    "database": "Check the database's name.",
    "privilege": "Grant the missing privilege to the role, or name another role.",
    "schema": "Collect the catalog again and look at its diff; then run again.",
    "width": "Dropped columns count until a table is made anew: make it anew, or give the unit another target_name.",
    "value": "Correct the value, or filter the row out.",
    "passing": "Run again; finished slices are not redone.",
    "view": "Run again; it resumes under a new view.",
}


def translate(error: Exception, side: Side, doing: str) -> IngestionError:
    """Our error for a driver error, with the server's own words but never the query (it may hold values).

    Args:
        error: What ADBC raised.
        side: Whether a source or a sink was being used.
        doing: What was being done, for the message ("reading public.orders").
    """
    state = sqlstate(error)
    kind = _kind(state, str(error))
    table = _SOURCE if side == "source" else _SINK
    message = server_message(error)
    if kind == "parameters":
        return errors.ConfigInvalidError(f"{doing}: {message}", _NEXT[kind])
    if kind == "database":
        return table["auth"](f"{doing}: {message}", _NEXT["database"], sqlstate=state)
    dependent = _dependent(error) if kind == "schema" else ""
    if dependent:
        return table[kind](f"{doing}: {message} ({dependent})", _NEXT_SINK["depends"], sqlstate=state)
    steps = {**_NEXT, **_NEXT_SINK} if side == "sink" else _NEXT
    return table[kind](f"{doing}: {message}", steps[kind], sqlstate=state)


def sqlstate(error: BaseException) -> str:
    """The five characters, or an empty string when the server never spoke."""
    value: Any = getattr(error, "sqlstate", None)
    match = re.search(r"SQLSTATE: (\w{5})", str(error))
    return value if isinstance(value, str) and value else match.group(1) if match else ""


def server_message(error: BaseException) -> str:
    """The server's first line, without driver noise, query text or passwords."""
    text = re.sub(r"(?s)\s*Query was:.*", "", str(error))
    text = re.sub(r"\.?\s*SQLSTATE: \w{5}\s*$", "", text.strip())
    match = re.search(r"(?:ERROR|FATAL):\s*(.+)", text)
    line = match.group(1) if match else text.splitlines()[0] if text else type(error).__name__
    line = re.sub(r"^(?:[A-Z_]+: )?(?:\[libpq\] )?(?:Failed to connect: )?", "", line)
    return re.sub(r"(?i)password\s*=\s*\S+", "password=***", line).strip().rstrip(".")


def _dependent(error: BaseException) -> str:
    """The detail that names what depends on a column; other details can hold values of rows."""
    match = re.search(r"DETAIL:\s*(.+ depends on column .+)", str(error))
    return match.group(1).strip().rstrip(".") if match else ""


def _kind(state: str, text: str) -> str:
    if not state:
        return "parameters" if _REFUSED_PARAMETERS.search(text) else _kind_without_state(text)
    if state == "22023" and 'role "' in text:
        state = "28000"  # SET ROLE says "invalid parameter value"
    if state in _STATES:
        return _STATES[state]
    if state in {"42501", "25006"} or "row-level security" in text:
        return "privilege"
    if "snapshot" in text and state in ("22023", "42704", "55000", "0A000"):
        return "view"
    for kind, prefixes in (
        ("unreachable", _UNREACHABLE),
        ("auth", _AUTH),
        ("passing", _PASSING),
        ("schema", _SCHEMA_CHANGED),
        ("value", _VALUE),
    ):
        if state.startswith(prefixes):
            return kind
    return "passing"


def _kind_without_state(text: str) -> str:
    lowered = text.lower()
    if "password authentication failed" in lowered or "no password supplied" in lowered or "pg_hba" in lowered:
        return "auth"
    if 'role "' in lowered and "does not exist" in lowered:
        return "auth"
    if 'database "' in lowered and "does not exist" in lowered:
        return "database"
    if "permission denied" in lowered:
        return "privilege"
    unquoted = re.sub(r'"[^"]*"', "", lowered)  # a host's or role's name says nothing of the fault
    if "ssl" in unquoted or "certificate" in unquoted:
        return "tls"
    return "passing" if _server_spoke(text) else "unreachable"


def _server_spoke(text: str) -> bool:
    """True when an error of a stream, which lost its SQLSTATE on the way, is the statement's and not the line's."""
    return "ERROR:" in text and "terminating connection" not in text and "closed the connection" not in text
