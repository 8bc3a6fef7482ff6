"""Which common model and which mapper a unit has. Mappers and models are imported on first use.

Ours come from an immutable table. Installed packages add theirs (:mod:`cdm_mappers.installed`) and cannot replace ours.
"""

from __future__ import annotations

import logging
from functools import cached_property
from pkgutil import resolve_name
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from cdm_mappers.installed import installed, mappers_of
from contracts.errors import CdmModelUnsupportedError
from contracts.mapping import MapperKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.metadata import EntryPoint

    from cdm_mappers.installed import InstalledMappers
    from contracts.endpoint import SourceEndpoint
    from contracts.mapping import CdmMapper, CdmModel
    from contracts.unit import DataMode, EndpointUnitDescriptor

_log = logging.getLogger(__name__)

BUILT_IN: Mapping[MapperKey, str | CdmMapper] = MappingProxyType(
    {
        MapperKey(source_family="http", unit_kind=kind, cdm_model_id=f"cdm.{model}"): f"cdm_mappers.{path}"
        for kind, model, path in (
            ("confluence.space", "doc.space", "confluence_doc:space"),
            ("confluence.page", "doc.item", "confluence_doc:page"),
            ("confluence.attachment", "doc.item", "confluence_doc:attachment"),
            ("confluence.version", "doc.revision", "confluence_doc:version"),
            ("confluence.link", "doc.link", "confluence_doc:link"),
            ("confluence.acl", "doc.access", "confluence_doc:acl"),
            ("confluence.comment", "doc.comment", "confluence_doc:comment"),
            ("jira.projects", "work.project", "jira_work:project"),
            ("jira.users", "work.user", "jira_work:user"),
            ("jira.issues", "work.item", "jira_work:item"),
            ("jira.comments", "work.comment", "jira_work:comment"),
            ("jira.worklogs", "work.worklog", "jira_work:worklog"),
            ("onedrive.drive", "doc.space", "onedrive_doc:drive"),
            ("onedrive.item", "doc.item", "onedrive_doc:item"),
            ("onedrive.version", "doc.revision", "onedrive_doc:version"),
            ("onedrive.permission", "doc.access", "onedrive_doc:permission"),
        )
    }
)
"""The mappers of the built-in connectors: (source family, unit kind, model) to ``module:callable``."""


class CdmMapperRegistry:
    """Finds the mapper from a source's units to a common model.

    Args:
        entries: Mapper key to ``module:callable``, or to the callable itself; copied, so later changes to the
            mapping have no effect.
        third_parties: Gives the installed entry points; called once, when a key is not among the entries.
    """

    def __init__(
        self,
        entries: Mapping[MapperKey, str | CdmMapper] = BUILT_IN,
        third_parties: Callable[[], Iterable[EntryPoint]] = installed,
    ) -> None:
        self._built_in = dict(entries)
        self._third_parties = third_parties

    def find(self, source_family: str, unit_kind: str, cdm_model_id: str) -> CdmMapper:
        """The mapper with exactly this key.

        Raises:
            CdmModelUnsupportedError: There is no such mapper (the error lists the models of such units and the
                packages whose mappers are broken), two packages bring it, or it cannot be imported.
        """
        key = MapperKey(source_family=source_family, unit_kind=unit_kind, cdm_model_id=cdm_model_id)
        entry = self._built_in.get(key) or self._installed.usable.get(key)
        if entry is None:
            raise self._installed.refused.get(key) or self._unsupported(key)
        return _load(key, entry) if isinstance(entry, str) else entry

    def models(self, source_family: str, unit_kind: str) -> tuple[str, ...]:
        """Sorted ids of the models that units of this kind can be mapped to."""
        pairs = ((key, (key.source_family, key.unit_kind)) for key in self._entries)
        return tuple(sorted(key.cdm_model_id for key, pair in pairs if pair == (source_family, unit_kind)))

    def keys(self) -> tuple[MapperKey, ...]:
        """The keys of all mappers, sorted by family, kind and model."""
        return tuple(sorted(self._entries, key=lambda key: (key.source_family, key.unit_kind, key.cdm_model_id)))

    def broken(self) -> tuple[CdmModelUnsupportedError, ...]:
        """What keeps mappers of installed packages from being used; each error names the package."""
        return (*self._installed.refused.values(), *self._installed.broken)

    @property
    def _entries(self) -> dict[MapperKey, str | CdmMapper]:
        return self._installed.usable | self._built_in

    @cached_property
    def _installed(self) -> InstalledMappers:
        found = mappers_of(self._third_parties(), self._built_in)
        for error in (*found.refused.values(), *found.broken):
            _log.warning("Mappers are left out: %s", error)
        return found

    def _unsupported(self, key: MapperKey) -> CdmModelUnsupportedError:
        models = self.models(key.source_family, key.unit_kind)
        there = f"Use one of: {', '.join(models)}" if models else "Such units can be ingested in data mode `raw` only"
        broken = [error.what for error in self._installed.broken]
        return CdmModelUnsupportedError(
            f"No mapper turns {key.unit_kind!r} of {key.source_family!r} into {key.cdm_model_id!r}{_also(broken)}",
            f"{there}; or add a mapper to the table.",
            **key.model_dump(),
            supported=list(models),
            **({"broken": broken} if broken else {}),
        )


def model_for(unit: EndpointUnitDescriptor, data_mode: DataMode) -> CdmModel | None:
    """The common model that the unit's rows are mapped to; None in data mode ``raw``.

    Raises:
        CdmModelUnsupportedError: The unit names no model, or a model that does not exist here.
    """
    if data_mode == "raw":
        return None
    if unit.cdm_model_id is None:
        raise CdmModelUnsupportedError(
            f"Unit {unit.unit_id!r} has no common data model",
            "Ingest it in data mode `raw`.",
            unit_id=unit.unit_id,
        )
    from cdm_mappers.models import model_of  # noqa: PLC0415 - raw runs need no models, and no polars

    return model_of(unit.cdm_model_id)


def mapper_for(source: SourceEndpoint, unit: EndpointUnitDescriptor, model: CdmModel | None) -> CdmMapper | None:
    """The mapper from the unit's rows to rows of the model; None when there is no model (data mode ``raw``).

    Raises:
        CdmModelUnsupportedError: There is no such mapper, or it cannot be imported.
    """
    if model is None:
        return None
    return CdmMapperRegistry().find(source.descriptor.family, unit.kind, model.model_id)


def _also(broken: list[str]) -> str:
    return "".join(f". {message}" for message in broken)


def _load(key: MapperKey, path: str) -> CdmMapper:
    try:
        return cast("CdmMapper", resolve_name(path))
    except (ImportError, AttributeError, ValueError) as error:
        raise CdmModelUnsupportedError(
            f"The mapper {path!r} cannot be imported: {error}",
            "Correct the path in the table of mappers, or install the packages that the mapper needs.",
            **key.model_dump(),
            path=path,
        ) from error
