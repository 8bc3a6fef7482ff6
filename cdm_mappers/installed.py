"""Mappers that installed packages bring, by entry points of the group ``nucleus.mappers``.

A package registers ``name = "module:MAPPERS"``: a mapping of :class:`contracts.mapping.MapperKey` to the path
``module:callable`` of a mapper, or to the mapper itself. The name is free; it is shown in errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, NamedTuple

from contracts.errors import CdmModelUnsupportedError
from contracts.mapping import MapperKey

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from contracts.mapping import CdmMapper

GROUP = "nucleus.mappers"


class InstalledMappers(NamedTuple):
    """What the entry points hold: mappers that can be used, keys that cannot, and entry points that are broken."""

    usable: dict[MapperKey, str | CdmMapper]
    refused: dict[MapperKey, CdmModelUnsupportedError]
    """Keys that are taken: by a mapper of ours, which stays in use, or by two packages, neither of which is used."""
    broken: tuple[CdmModelUnsupportedError, ...]


def installed() -> Iterable[EntryPoint]:
    """The entry points of this environment."""
    return entry_points(group=GROUP)


def mappers_of(points: Iterable[EntryPoint], ours: Container[MapperKey]) -> InstalledMappers:
    """Import the tables that the entry points name. One that fails does not keep the others from being used."""
    claims: dict[MapperKey, list[tuple[EntryPoint, str | CdmMapper]]] = {}
    broken: list[CdmModelUnsupportedError] = []
    for point in {(point.name, point.value): point for point in points}.values():
        try:
            for key, mapper in _table(point).items():
                claims.setdefault(key, []).append((point, mapper))
        except CdmModelUnsupportedError as error:
            broken.append(error)
    refused = {key: _taken(key, found, ours) for key, found in claims.items() if key in ours or len(found) > 1}
    return InstalledMappers(
        usable={key: found[0][1] for key, found in claims.items() if key not in refused},
        refused=refused,
        broken=tuple(broken),
    )


def _table(point: EntryPoint) -> Mapping[MapperKey, str | CdmMapper]:
    try:
        table = point.load()
    except Exception as error:
        raise _broken(point, f"{type(error).__name__}: {error}") from error
    if not isinstance(table, Mapping):
        raise _broken(point, f"it is a {type(table).__name__}, not a mapping of MapperKey to a path or a mapper")
    for key, mapper in table.items():
        if not isinstance(key, MapperKey):
            raise _broken(point, f"{key!r} is no MapperKey")
        if not isinstance(mapper, str) and not callable(mapper):
            raise _broken(point, f"{mapper!r} is neither a path nor a mapper")
    return table


def _taken(
    key: MapperKey, found: list[tuple[EntryPoint, str | CdmMapper]], ours: Container[MapperKey]
) -> CdmModelUnsupportedError:
    claimed = " and ".join(sorted({_shown(point) for point, _ in found}))
    why = "there is a mapper of ours, which cannot be replaced" if key in ours else "only one may be installed"
    return CdmModelUnsupportedError(
        f"The mapper of {key.unit_kind!r} of {key.source_family!r} into {key.cdm_model_id!r} is claimed by {claimed}: "
        f"{why}",
        "Remove the package, or have it use another unit kind; other mappers work.",
        **key.model_dump(),
        paths=sorted({point.value for point, _ in found}),
    )


def _broken(point: EntryPoint, why: str) -> CdmModelUnsupportedError:
    return CdmModelUnsupportedError(
        f"The mappers of {_shown(point)} cannot be used: {why}",
        "Repair or remove the package that provides them; other mappers work.",
        name=point.name,
        path=point.value,
    )


def _shown(point: EntryPoint) -> str:
    origin = f" of package {point.dist.name!r}" if point.dist is not None else ""
    return f"entry point {point.name!r} ({point.value}{origin})"
