"""Errors of other processes, of which only the words are known: ``CODE: message``, and which error has the code."""

from __future__ import annotations

from contracts.errors import IngestionError


def kind_of(code: str) -> type[IngestionError] | None:
    """The error that has the code, of those that are loaded; None when there is none."""
    kinds = [IngestionError]
    for each in kinds:
        kinds.extend(each.__subclasses__())
    return next((each for each in kinds if each.__dict__.get("code") == code), None)


def code_and_words(said: str) -> tuple[str, str]:
    """``CODE: message`` in its two parts; the code is empty where the text begins with none."""
    code, sign, words = said.partition(": ")
    if sign and code.startswith("E_") and code.replace("_", "").isalnum():
        return code, words
    return "", said
