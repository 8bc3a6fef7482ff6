"""Finds the factory of a template id without importing any other connector.

Ours come from an immutable table of dotted paths. A third party adds its own by an entry point of the group
``nucleus.connectors``: the name is the template id, the value the path of an object that satisfies
``contracts.endpoint.EndpointFactory``. It cannot take the place of one of ours.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from contracts.errors import ConfigError, DependencyMissingError, EndpointUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from contracts.endpoint import EndpointDescriptor, EndpointFactory

GROUP = "nucleus.connectors"
BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "cdm.jdbc": "connectors.cdm_jdbc.factory:FACTORY",
        "http.confluence": "connectors.confluence.factory:FACTORY",
        "http.jira": "connectors.jira.factory:FACTORY",
        "http.onedrive": "connectors.onedrive.factory:FACTORY",
        "http.openshelf": "connectors.openshelf.source:FACTORY",
        "jdbc.mysql": "connectors.mysql.factory:FACTORY",
        "jdbc.postgres": "connectors.postgres.factory:FACTORY",
        "jdbc.sqlite": "connectors.sqlite.factory:FACTORY",
        "object.parquet": "connectors.object_parquet.factory:FACTORY",
        "warehouse.iceberg": "connectors.iceberg.factory:FACTORY",
    }
)
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "jira.http": "http.jira",
        "mysql.jdbc": "jdbc.mysql",
        "onedrive.http": "http.onedrive",
        "postgres.jdbc": "jdbc.postgres",
    }
)

_log = logging.getLogger(__name__)


def _installed() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


class EndpointRegistry:
    """Template ids and their factories; safe between threads.

    Args:
        built_in: Template id to ``module:object``.
        aliases: Other spellings of template ids.
        third_parties: Gives the installed entry points; called once, when first needed.
    """

    def __init__(
        self,
        built_in: Mapping[str, str] = BUILT_IN,
        aliases: Mapping[str, str] = ALIASES,
        third_parties: Callable[[], Iterable[EntryPoint]] = _installed,
    ) -> None:
        self._built_in = {name: EntryPoint(name, path, GROUP) for name, path in built_in.items()}
        self._aliases = dict(aliases)
        self._third_parties = third_parties
        self._loaded: dict[str, EndpointFactory] = {}

    def get(self, template_id: str) -> EndpointFactory:
        """The factory of the template, imported when first requested; an alias works too.

        Raises:
            EndpointUnknownError: There is no such template (the error lists what exists), or it is broken.
            DependencyMissingError: The connector needs a package that is not installed.
        """
        name = self._aliases.get(template_id, template_id)
        if name not in self._loaded:
            self._loaded[name] = _load(self._entry(name))
        return self._loaded[name]

    def template_ids(self) -> tuple[str, ...]:
        """Every template id in order, without importing anything; also those whose connector is broken."""
        return tuple(sorted(self._entries))

    def descriptors(self) -> tuple[EndpointDescriptor, ...]:
        """What every working template is and can do, by template id. Imports them all."""
        working = (self._try(name) for name in self.template_ids())
        return tuple(factory.descriptor for factory in working if not isinstance(factory, ConfigError))

    def broken(self) -> tuple[ConfigError, ...]:
        """What keeps a connector from being used; each error names it. Imports them all."""
        tried = (self._try(name) for name in self.template_ids())
        return (*self._refused.values(), *(error for error in tried if isinstance(error, ConfigError)))

    def _try(self, name: str) -> EndpointFactory | ConfigError:
        try:
            return self.get(name)
        except ConfigError as error:
            _log.warning("Connector %s is left out: %s", name, error)
            return error

    def _entry(self, name: str) -> EntryPoint:
        if name in self._entries:
            return self._entries[name]
        if name in self._refused:
            raise self._refused[name]
        there = ", ".join(self.template_ids())
        raise EndpointUnknownError(
            f"There is no endpoint template {name!r}",
            f"Use one of: {there}; or install the package that brings it.",
            template_id=name,
            known=list(self.template_ids()),
        )

    @cached_property
    def _third_party_entries(self) -> Mapping[str, tuple[EntryPoint, ...]]:
        by_name: dict[str, dict[str, EntryPoint]] = defaultdict(dict)
        for entry in self._third_parties():
            by_name[entry.name][entry.value] = entry
        return {name: tuple(entries.values()) for name, entries in by_name.items()}

    @property
    def _entries(self) -> dict[str, EntryPoint]:
        third_party = {
            name: entries[0] for name, entries in self._third_party_entries.items() if name not in self._refused
        }
        return third_party | self._built_in

    @cached_property
    def _refused(self) -> dict[str, ConfigError]:
        refused: dict[str, ConfigError] = {}
        for name, entries in self._third_party_entries.items():
            if name in self._built_in or name in self._aliases:
                refused[name] = _broken(entries[0], "the template id is one of ours and cannot be replaced")
            elif len(entries) > 1:
                refused[name] = _broken(entries[0], f"{len(entries)} installed packages claim the template id")
        return refused


def _load(entry: EntryPoint) -> EndpointFactory:
    try:
        factory = cast("EndpointFactory", entry.load())
        described = factory.descriptor.template_id
    except ModuleNotFoundError as error:
        raise _missing(entry, error) from error
    except Exception as error:
        raise _broken(entry, f"{type(error).__name__}: {error}") from error
    if described != entry.name:
        raise _broken(entry, f"its descriptor says template id {described!r}")
    return factory


def _missing(entry: EntryPoint, error: ModuleNotFoundError) -> ConfigError:
    package = (error.name or "").partition(".")[0]
    if package in {"", entry.module.partition(".")[0]}:
        return _broken(entry, str(error))
    return DependencyMissingError(
        f"Connector {entry.name!r} needs the package {package!r}, which is not installed",
        f"Install {package!r} in this environment.",
        template_id=entry.name,
        package=package,
    )


def _broken(entry: EntryPoint, why: str) -> EndpointUnknownError:
    origin = f" of package {entry.dist.name!r}" if entry.dist is not None else ""
    return EndpointUnknownError(
        f"Connector {entry.name!r} ({entry.value}{origin}) cannot be used: {why}",
        "Repair or remove the package that provides it; the other connectors work.",
        template_id=entry.name,
        path=entry.value,
    )
