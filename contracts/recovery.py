"""What can be done about an error; mixed into the errors of ``contracts.errors``, which callers import them from."""

from __future__ import annotations


class Retriable:
    """The same call may succeed later."""

    retry_after_s: float | None = None


class Terminal:
    """Something has to be changed before the call can succeed."""


class Skippable:
    """This unit cannot continue; others can."""


class OutcomeUnknown:
    """The connection was lost before the outcome was known: check the receipts."""
