"""Settings that narrow what is read: when an operator widens one, what was outside is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connector_kit.checks.expectations import same_rows
from connector_kit.checks.incremental import GROUP, full, run
from connector_kit.checks.system import SkippedError, UntriedError
from connectors.config_fields import is_secret
from connectors.http.json_api import PagedSettings
from connectors.http.settings import HttpSettings

if TYPE_CHECKING:
    from typing import Any

    from connector_kit.checks.check import CheckObservation
    from connector_kit.checks.context import CheckContext


@GROUP.check("widened", "What a setting kept out is read once that setting is widened", "I1")
def widened(context: CheckContext) -> CheckObservation:
    """A run under each narrower setting, then one without it: together they are what a full run reads."""
    system = context.system
    if unnamed := sorted(_fields_of_its_own(context) - {*system.narrower, *system.not_narrowing}):
        raise UntriedError(
            f"the config has a field {unnamed[0]}: give the test system `narrower` with a value of it under which fewer"
            " rows are read, or `not_narrowing` with its name"
        )
    if not system.narrower:
        raise SkippedError("no field of the config narrows what is read")
    results = [_widened(context, name, value) for name, value in system.narrower.items()]
    return next((one for one in results if not one.passed), results[-1])


def _widened(context: CheckContext, name: str, value: Any) -> CheckObservation:
    with context.connected(**{name: value}) as narrow:
        first = run(narrow)
    with context.connected() as one:
        second = run(one, first.checkpoint)
        truth = full(one)
    if len(first.reading.rows) >= len(truth):
        raise UntriedError(f"as many rows are read with {name} = {value!r} as without it")
    sent = f"a run with {name} = {value!r}, then one without it"
    return same_rows(sent, truth, second.reading.over(first.reading))


def _fields_of_its_own(context: CheckContext) -> set[str]:
    """Fields that an author added and that an operator may leave out; of sources over HTTP."""
    config = context.system.factory.config_class
    if not issubclass(config, HttpSettings):
        return set()
    return {
        name
        for name, field in config.model_fields.items()
        if name not in PagedSettings.model_fields and not field.is_required() and not is_secret(field.annotation)
    }
