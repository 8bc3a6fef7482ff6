"""What an odd answer of an API means, said by the connector's author instead of handled in its client.

Most answers need no rule: 429 and 5xx pass, 403 with a header that only a rate limit sends waits, 410 for a page means
that its bookmark has expired, and every other 4xx is a refusal, which a slice names as a gap.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx

_UNIX_TIME_FROM = 1_000_000_000
"""A number from here on is a moment, a smaller one a count of seconds: nobody is asked to wait for thirty years."""


@dataclass(frozen=True)
class AnswerRule:
    """Answers with this status, and this text in the body, mean something else than usual.

    Attributes:
        status: HTTP status; may be a 200 whose body says that it is none.
        means: ``try_again``: it passes, as a 503 does. ``wait``: a rate limit; all requests wait. ``expired``: the
            page's bookmark is too old, and the list is begun again. ``leave_out``: this one row, or this one parent's
            list, is refused for good: it is named as a gap, and the rest is read (see ``JsonApi.get_row``).
        says: Text that the body must contain, in any case; empty: any body.
        wait_header: For ``wait``: the header that says how long, in seconds, as a date or as a Unix time
            (``X-RateLimit-Reset``); used where ``Retry-After`` is missing.
    """

    status: int
    means: Literal["try_again", "wait", "expired", "leave_out"]
    says: str = ""
    wait_header: str | None = None

    def fits(self, answer: httpx.Response) -> bool:
        """Whether this is such an answer."""
        return answer.status_code == self.status and self.says.lower() in (answer.text.lower() if self.says else "")

    def pause_s(self, answer: httpx.Response) -> float | None:
        """Seconds that the answer asks to wait; None when it does not say or cannot be read."""
        return retry_after_s(answer.headers.get(self.wait_header)) if self.wait_header else None


def rule_for(rules: Sequence[AnswerRule], answer: httpx.Response) -> AnswerRule | None:
    """The first rule that fits."""
    return next((rule for rule in rules if rule.fits(answer)), None)


def retry_after_s(value: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Seconds that a header asks to wait; None when unreadable.

    ``Retry-After`` is written as seconds or as a date (RFC 9110, 10.2.3); headers of rate limits also as a Unix time.
    """
    if not value:
        return None
    if value.strip().isdecimal():
        number = float(value)
        return max(0.0, number - now()) if number >= _UNIX_TIME_FROM else number
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now())
    except ValueError:
        return None
