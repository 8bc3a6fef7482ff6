"""Passwords of the command line: never in output, and not in the list of processes either."""

from __future__ import annotations

import contextlib
import re
import sys
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MASK = "***"
_SHORT = 4


def redactor(arguments: Sequence[str]) -> Callable[[str], str]:
    """A function that replaces the passwords in the given arguments wherever they occur in a text.

    Very short ones are replaced only where a URL carries them.
    """
    passwords = {secret for argument in arguments for secret in passwords_in(argument)}
    secrets = sorted(passwords | {unquote(secret) for secret in passwords}, key=len, reverse=True)

    def redact(text: str) -> str:
        text = re.sub(r"(://[^\s:/@]*):[^\s@]+@", rf"\1:{MASK}@", text)
        for secret in secrets:
            if len(secret) >= _SHORT:
                text = text.replace(secret, MASK)
        return text

    return redact


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
        yield from (value for name, value in parse_qsl(urlsplit(argument).query) if is_secret_option(name) and value)


def is_secret_option(name: str) -> bool:
    """True for ``password``, ``sslpassword``, ``oauth_client_secret`` and the like in a URL's query."""
    return name.endswith(("password", "secret"))


def hide_from_process_list(arguments: Sequence[str]) -> None:
    """Give this process a title without the passwords in its arguments, so that ``ps`` shows stars."""
    secrets = {secret for argument in arguments for secret in passwords_in(argument)}
    if secrets:
        from setproctitle import setproctitle

        setproctitle(_without(secrets, " ".join(sys.orig_argv)))


def _without(secrets: set[str], command: str) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        command = command.replace(f":{secret}@", f":{MASK}@")
        command = re.sub(rf"(password|secret)={re.escape(secret)}", rf"\1={MASK}", command)
    return command
