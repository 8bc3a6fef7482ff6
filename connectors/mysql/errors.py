"""The one place where the driver's errors become ours, by the server's error numbers.

Sources: MySQL manual, "Server Error Message Reference" and "Client Error Message Reference"; MariaDB documentation,
"MariaDB Error Code Reference".
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from contracts import errors

if TYPE_CHECKING:
    from contracts.errors import IngestionError

_KINDS: dict[str, tuple[int, ...]] = {
    # Who you are, and what you may open at all.
    "auth": (1045, 1044, 1049, 1130, 1131, 1251, 1275, 1698, 1820, 1862, 2059, 2061, 3118, 3159, 3955, 4151),
    "privilege": (1142, 1143, 1227, 1356, 1370, 1449),
    "tls": (2026,),
    # Gone, full, restarting, or a session that somebody ended.
    "unreachable": (1040, 1053, 1079, 1080, 1129, 1152, 1153, 1158, 1159, 1160, 1161, 1184, 1203, 1226, 1927, 2002,
                    2003, 2004, 2005, 2006, 2012, 2013, 2014, 2027, 2055, 3168, 4031),
    "view": (1412,),
    "schema": (1051, 1054, 1109, 1146, 1347, 1305),
    "value": (1292, 1300, 1366, 1264, 1690, 1977, 3854),
}  # fmt: skip
_BY_NUMBER = {number: kind for kind, numbers in _KINDS.items() for number in numbers}
LOST = frozenset(_KINDS["unreachable"])
"""After one of these the connection is of no more use."""
_CLASSES: dict[str, type[IngestionError]] = {
    "auth": errors.SourceAuthError,
    "privilege": errors.SourcePrivilegeError,
    "tls": errors.SourceTlsError,
    "unreachable": errors.SourceUnreachableError,
    "view": errors.SourceViewLostError,
    "schema": errors.SourceSchemaChangedError,
    "value": errors.SourceValueError,
    "passing": errors.SourcePageFailedError,
}
_NEXT = {
    "auth": "Check user, password and the database's name, and that the account may log in from here.",
    "privilege": "Grant the missing privilege to the account (docs/connectors/mysql.md lists them).",
    "tls": "Check tls and the certificates.",
    "unreachable": "Check host, port and that the server runs; the run resumes where it stopped.",
    "view": "Run again; it resumes under a new view.",
    "schema": "Collect the catalog again and look at its diff; then run again.",
    "value": "Correct the value, or filter the row out.",
    "passing": "Run again; finished slices are not redone.",
}
_PRIVILEGE = 1227


def translate(error: Exception, doing: str) -> IngestionError:
    """Our error for a driver error, with the server's own words but never the query (it may hold values).

    Args:
        error: What PyMySQL or the socket raised.
        doing: What was being done, for the message ("reading shop.orders").
    """
    number = number_of(error)
    kind = _BY_NUMBER.get(number, "passing" if number else "unreachable")
    if isinstance(getattr(error, "original_exception", error), ssl.SSLError):
        kind = "tls"
    return _CLASSES[kind](f"{doing}: {_words(error)}", _NEXT[kind], number=number)


def number_of(error: BaseException) -> int:
    """The server's or the client's error number; 0 when there is none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def is_denied(error: IngestionError) -> bool:
    """Whether a privilege is missing that no grant on a table gives (PROCESS and its like)."""
    return error.facts.get("number") == _PRIVILEGE


def _words(error: BaseException) -> str:
    text = str(error.args[1]) if len(error.args) > 1 else str(error) or type(error).__name__
    return text.splitlines()[0].strip().rstrip(".") if text else type(error).__name__
