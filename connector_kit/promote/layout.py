"""Where the parts of a connector go: in our repository, or in that of a third party.

Ours has ``connectors/registry.py``: a connector is a folder of ``connectors/`` and a line in that file. A third party
cannot put modules below ``connectors``, because that package is ours and comes from where it is installed. Its
connectors go to the package its ``pyproject.toml`` is named after, and are registered by an entry point.
"""

from __future__ import annotations

import keyword
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector_kit.promote.problems import Problem, ProblemsFoundError

OURS = frozenset(
    {
        "cdm_mappers",
        "cli",
        "connector_kit",
        "connectors",
        "contracts",
        "flows",
        "metadata_api",
        "sandbox",
        "staging",
        "state",
    }
)


@dataclass(frozen=True)
class ConnectorLayout:
    """The places of one connector, as paths below the root of the repository.

    Attributes:
        root: The repository.
        name: The connector's.
        ours: It is our own repository.
        package: Dotted name of the package that holds ``config``, ``client``, ``units`` and ``source``.
        folder: Of that package.
    """

    root: Path
    name: str
    ours: bool
    package: str
    folder: str

    @property
    def camel(self) -> str:
        """The name as classes begin with it."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    def dotted(self, section: str) -> str:
        """Dotted name of a section's module; of a mapper see :meth:`mapper`."""
        return f"{self.tests.replace('/', '.')}.system" if section == "system" else f"{self.package}.{section}"

    def path(self, section: str) -> str:
        """The file of a section's module."""
        return self.below(self.dotted(section))

    def mapper(self, family: str) -> str:
        """Dotted name of the module of the mappers to a family of common models."""
        return f"cdm_mappers.{self.name}_{family}"

    def file(self, dotted: str) -> Path:
        """Where the module of that dotted name is, or goes."""
        above = self.root / "src" if self.folder.startswith("src/") and not dotted.startswith("tests.") else self.root
        return above / (dotted.replace(".", "/") + ".py")

    def below(self, dotted: str) -> str:
        """The module's file as a path below the root."""
        return self.file(dotted).relative_to(self.root).as_posix()

    @property
    def tests(self) -> str:
        """The folder of the connector's tests."""
        return f"tests/connectors/{self.name}" if self.ours else f"tests/{self.name}"

    @property
    def cassettes(self) -> str:
        """The folder of the traffic that the tests play."""
        return f"{self.tests}/cassettes"

    @property
    def packages(self) -> tuple[str, ...]:
        """Folders that need an ``__init__.py``, outermost first."""
        return (self.folder,) if self.ours else (str(Path(self.folder).parent), self.folder)


def layout_of(root: Path, name: str) -> ConnectorLayout:
    """Where the connector of that name goes.

    Raises:
        ProblemsFoundError: The name cannot be a module's, or the root is no repository that could be registered in.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        fix = "Name the notebook like a module: small letters, digits, underscores."
        raise ProblemsFoundError(Problem(0, 0, f"{name!r} cannot be the name of a connector", fix))
    if (root / "connectors" / "registry.py").exists():
        return ConnectorLayout(root, name, ours=True, package=f"connectors.{name}", folder=f"connectors/{name}")
    outer = _package_of(root)
    below = f"src/{outer}" if (root / "src").is_dir() else outer
    return ConnectorLayout(root, name, ours=False, package=f"{outer}.{name}", folder=f"{below}/{name}")


def _package_of(root: Path) -> str:
    project = _project(root).get("name")
    if not isinstance(project, str):
        fix = "Give the repository a pyproject.toml with [project] and name: its entry points make the connector known."
        raise ProblemsFoundError(Problem(0, 0, f"{root} has no pyproject.toml with a project's name", fix))
    package = re.sub(r"[-_.]+", "_", project).lower()
    if package in OURS or not package.isidentifier():
        what = f"the project's name {project!r} gives the package {package!r}, which is taken"
        raise ProblemsFoundError(Problem(0, 0, what, "Give the project another name."))
    return package


def _project(root: Path) -> dict[str, Any]:
    try:
        return dict(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {}))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise ProblemsFoundError(Problem(0, 0, f"pyproject.toml cannot be read: {error}", "Correct it.")) from error
