"""What a code means: the error's own docstring, its phase, and what may follow."""

from __future__ import annotations

from contracts.error_codes import kind_of
from contracts.errors import IngestionError, OutcomeUnknown, Retriable, Skippable, Terminal
from metadata_api.schema.board_types import ErrorCodeInfo

_RECOVERY: tuple[type, ...] = (Retriable, Terminal, Skippable, OutcomeUnknown)
_OF_THE_API, _OF_RUNS = "metadata-api.md", "operations.md"


def known_code(code: str) -> ErrorCodeInfo | None:
    """None for a code that no error has."""
    kind = kind_of(code)
    if kind is None:
        return None
    phase = next((each for each in kind.__mro__ if IngestionError in each.__bases__), IngestionError)
    said = [_first_line(each) for each in _RECOVERY if issubclass(kind, each)]
    docs = _OF_THE_API if kind.__module__.startswith("metadata_api") else _OF_RUNS
    return ErrorCodeInfo(code=code, meaning=_first_line(kind), phase=_first_line(phase), recovery=said, docs=docs)


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().partition("\n")[0]
