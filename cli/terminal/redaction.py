"""Passwords of the command line: never in output, and not in the list of processes either."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MASK = "***"
_SHORT = 4
_ARG_START = 47  # fields of /proc/<pid>/stat from 0 (man proc_pid_stat: arg_start is the 48th)


class Redactor:
    """Replaces the passwords of the given arguments wherever they occur in a text."""

    def __init__(self, arguments: Sequence[str]) -> None:
        found = {secret for argument in arguments for secret in passwords_in(argument)}
        self._secrets = sorted(found | {unquote(secret) for secret in found}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without them. Very short ones are replaced only where a URL carries them."""
        text = re.sub(r"(://[^\s:/@]*):[^\s@]+@", rf"\1:{MASK}@", text)
        for secret in self._secrets:
            if len(secret) >= _SHORT:
                text = text.replace(secret, MASK)
        return text


def passwords_in(argument: str) -> Iterator[str]:
    """What stands for a password in a URL, as written; also in a URL too malformed to be parsed."""
    _, is_url, rest = argument.partition("://")
    if not is_url:
        return
    _, at_sign, _ = rest.rpartition("@")
    if at_sign:
        yield from filter(None, [rest.rpartition("@")[0].partition(":")[2]])
    with contextlib.suppress(ValueError):
        yield from filter(None, [urlsplit(argument).password])
        yield from (value for name, value in parse_qsl(urlsplit(argument).query) if name == "password" and value)


def hide_from_process_list(arguments: Sequence[str]) -> None:
    """Overwrite the passwords in this process's argument area, so that ``ps`` shows stars. Linux only.

    Elsewhere nothing happens: give the password by PGPASSWORD or a pgpass file there.
    """
    secrets = {secret for argument in arguments for secret in passwords_in(argument)}
    if secrets and sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):
            _overwrite(secrets)


def _overwrite(secrets: set[str]) -> None:
    import ctypes

    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[_ARG_START - 2])
    area = Path("/proc/self/cmdline").read_bytes()
    hidden = area
    for secret in sorted((each.encode(errors="surrogateescape") for each in secrets), key=len, reverse=True):
        hidden = hidden.replace(b":" + secret + b"@", b":" + b"*" * len(secret) + b"@")
        hidden = hidden.replace(b"password=" + secret, b"password=" + b"*" * len(secret))
    if len(hidden) == len(area):
        ctypes.memmove(start, hidden, len(hidden))
