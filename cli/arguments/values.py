"""What people write on the command line, as values: table names, conditions, sizes, key=value pairs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, cast

import typer

from contracts.unit import Predicate, PredicateOp

if TYPE_CHECKING:
    from pydantic import JsonValue

_PART = r'"(?:[^"]|"")+"|[^".]+'
_TABLE = re.compile(rf"(?:(?P<schema>{_PART})\.)?(?P<name>{_PART})")
_CONDITION = re.compile(
    r"""\s*(?P<column>"(?:[^"]|"")+"|[^\s"<>=!]+)\s*
    (?:(?P<op><=|>=|!=|<>|=|<|>)\s*(?P<value>.*)
      |(?P<null>is\s+(?:not\s+)?null)\s*
      |(?P<list>(?:not\s+)?in)\s+(?P<values>\S.*))""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_OPS: dict[str, PredicateOp] = {
    "=": "eq", "!=": "ne", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge",
    "is null": "is_null", "is not null": "is_not_null", "in": "in", "not in": "not_in",
}  # fmt: skip
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMG]i?B?|B?)", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3}


def table_name(text: str, default_namespace: str | None) -> tuple[str | None, str]:
    """(namespace, name) of ``table``, ``schema.table`` or ``"any schema"."any.table"``, taken as written.

    Raises:
        typer.BadParameter: A quote or a dot is out of place.
    """
    match = _TABLE.fullmatch(text)
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is not a table: write table or schema.table; quote names with dots or quotes in them, "
            'as in \'"my.schema"."my ""table"""\'.'
        )
    schema = match["schema"]
    return (_unquoted(schema) if schema else default_namespace), _unquoted(match["name"])


def predicate(text: str) -> Predicate:
    """A condition such as ``status=open``, ``n>=5``, ``x is null`` or ``k in a,b`` as data.

    Raises:
        typer.BadParameter: It has another form.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(
            f"{text!r} is not a condition: write COLUMN=VALUE (also != < <= > >=), 'COLUMN is null', "
            "'COLUMN is not null', 'COLUMN in a,b' or 'COLUMN not in a,b'; a JSON list works after in, too."
        )
    word = re.sub(r"\s+", " ", (match["op"] or match["null"] or match["list"]).lower())
    return Predicate(column=_unquoted(match["column"]), op=_OPS[word], value=_value(match))


def size_bytes(text: str) -> int:
    """Bytes of ``32MiB``, ``512k``, ``1.5 GiB`` or a plain number; k, M and G are powers of 1024.

    Raises:
        typer.BadParameter: It is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a size: write 32MiB, 512KiB, 1GiB or a number of bytes.")
    return int(float(match["number"]) * 1024 ** _POWERS[match["unit"].lower().rstrip("ib")])


def pair(text: str, what: str) -> tuple[str, str]:
    """(key, value) of ``key=value``.

    Raises:
        typer.BadParameter: There is no key or no equals sign. It is not repeated: it may be a secret.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise typer.BadParameter(f"{what} takes key=value.")
    return key.strip(), value


def json_or_text(text: str) -> JsonValue:
    """A JSON list, object, number, true, false or null; everything else is text."""
    try:
        return cast("JsonValue", json.loads(text))
    except ValueError:
        return text


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _value(match: re.Match[str]) -> JsonValue:
    if match["null"]:
        return None
    if match["list"]:
        written = match["values"].strip()
        listed = json_or_text(written) if written.startswith("[") else None
        return listed if isinstance(listed, list) else [part.strip() for part in written.split(",")]
    value = match["value"].strip()
    quoted = len(value) > 1 and value[0] == value[-1] == "'"
    return value[1:-1].replace("''", "'") if quoted else value
