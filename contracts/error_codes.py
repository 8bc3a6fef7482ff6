"""From a code, which is what other processes say, to the error that has it."""

from __future__ import annotations

from contracts.errors import IngestionError


def kind_of(code: str) -> type[IngestionError] | None:
    """The error that has the code, of those that are loaded; None when there is none."""
    kinds = [IngestionError]
    for each in kinds:
        kinds.extend(each.__subclasses__())
    return next((each for each in kinds if each.__dict__.get("code") == code), None)
