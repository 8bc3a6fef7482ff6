"""A notebook becomes the modules of a connector, or is refused with what to change.

The modules are built in a shadow of the repository, where ruff, mypy, Python and the caller's check look at them.
Only when none of them objects are the files written, the notebook last. A promotion that is killed in between is
finished by the next one: the files already written are those it would write.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from connector_kit.promote import tree
from connector_kit.promote.build import PromotionBuild
from connector_kit.promote.cells import read
from connector_kit.promote.layout import layout_of
from connector_kit.promote.notebook import rewritten
from connector_kit.promote.problems import ProblemsFoundError, refusal
from connector_kit.promote.sections import sections_of
from connector_kit.recording.places import TOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from connector_kit.promote.cells import Notebook
    from connector_kit.promote.layout import ConnectorLayout
    from connector_kit.promote.problems import Problem
    from connector_kit.promote.sections import Sections


@dataclass(frozen=True)
class Promotion:
    """What a promotion did.

    Attributes:
        name: The connector's.
        written: Files that were written, below the root; the notebook is the last of them. Empty when nothing changed.
        notes: What the author should know: modules edited since, what to install.
    """

    name: str
    written: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        """True when a file was written."""
        return bool(self.written)

    def __str__(self) -> str:
        lines = (
            ["wrote", *self.written]
            if self.changed
            else ["nothing to promote: the modules are what the notebook imports"]
        )
        return "\n  ".join([f"{self.name}: {lines[0]}", *lines[1:], *self.notes])


def promote(notebook: Path, root: Path, *, check: Callable[[str], list[str]] | None) -> Promotion:
    """Move the notebook's tagged cells to modules of a repository, register them, and import them where they were.

    Args:
        notebook: ``<name>.ipynb``; a folder ``<name>/`` beside it holds its recorded traffic; what the
            test system plays of it is copied to the tests.
        root: Of the repository that the connector goes to: ours, or a third party's with a ``pyproject.toml``.
        check: Looks at the connector before it is written. Given the path of the repository as it would be (the
            connector's modules, its tests and their traffic among the rest; Python started there finds them first);
            returns its failures, empty when it passes. A finding that names a file and a line of
            the connector (``connectors/acme/units.py:12``) is shown at the cell it came from.

    Raises:
        PromotionRefusedError: Something has to change first; nothing was written.
        DependencyMissingError: ruff or mypy is not installed; nothing was written.
        OSError: The files could not be written; what was written is put back.
    """
    try:
        layout = layout_of(root.resolve(), notebook.stem)
        read_notebook = read(notebook.resolve())
        sections = sections_of(read_notebook, layout)
        files, notes = _built(read_notebook, layout, sections, check)
    except ProblemsFoundError as error:
        raise refusal(notebook.name, error.problems) from None
    changed = tree.differing(layout.root, files)
    tree.write(layout.root, changed)
    edited = [
        f"{module} was edited since it was promoted; the notebook imports it as it is." for module in sections.edited
    ]
    return Promotion(layout.name, tuple(changed), (*(notes if changed else ()), *edited))


def build_only(notebook: Path, root: Path, look: Callable[[str], object]) -> tuple[Problem, ...]:
    """Build everything as :func:`promote` would, let ``look`` see the repository as it would be, and write nothing.

    Returns:
        What lint and types say, for which a promotion would be refused.

    Raises:
        PromotionRefusedError: The notebook cannot become modules at all.
    """
    try:
        layout = layout_of(root.resolve(), notebook.stem)
        read_notebook = read(notebook.resolve())
        sections = sections_of(read_notebook, layout)
        if not sections.drafts:
            return ()
        with _building(read_notebook, layout, sections) as (build, folder):
            look(str(folder))
            return tuple(sorted(set(build.lint_and_types())))
    except ProblemsFoundError as error:
        raise refusal(notebook.name, error.problems) from None


@contextmanager
def _building(notebook: Notebook, layout: ConnectorLayout, sections: Sections) -> Iterator[tuple[PromotionBuild, Path]]:
    """The build, and the folder that is the repository as it would be; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="promotion-") as name:
        folder = Path(name).resolve()
        build = PromotionBuild(layout, sections, folder)
        build.add(_cassettes(notebook, layout))
        _unclaimed(notebook, layout, build.build())
        yield build, folder


def _built(
    notebook: Notebook, layout: ConnectorLayout, sections: Sections, check: Callable[[str], list[str]] | None
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    if not sections.drafts:
        return _cassettes(notebook, layout), ()
    with _building(notebook, layout, sections) as (build, _):
        build.verify(check)
        built, modules = dict(build.files), build.modules
    path = (
        notebook.path.relative_to(layout.root).as_posix()
        if notebook.path.is_relative_to(layout.root)
        else str(notebook.path)
    )
    return {**built, path: rewritten(notebook, modules)}, build.notes


def _unclaimed(notebook: Notebook, layout: ConnectorLayout, modules: dict[str, tuple[str, bytes]]) -> None:
    """A file that is there already is written over only when this notebook's promotion wrote it so."""
    problems = []
    for section, (dotted, content) in modules.items():
        file, first = layout.file(dotted), notebook.drafts(section)[0]
        there = file.read_bytes() if file.exists() else content
        if there != content and sha256(there).hexdigest() not in {cell.sha256 for cell in notebook.drafts(section)}:
            what = f"{layout.below(dotted)} is there already, and is not what this notebook wrote"
            fix = "Take its changes into the cell and remove the file, or give the notebook another name."
            problems.append(first.problem(0, what, fix))
    if problems:
        raise ProblemsFoundError(*problems)


def _cassettes(notebook: Notebook, layout: ConnectorLayout) -> dict[str, bytes]:
    """Recorded traffic that the tests play: what the test system names, and copies that are there already."""
    folder = notebook.path.with_suffix("")
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and ".ipynb_checkpoints" not in path.parts
    )
    code = _system_code(notebook, layout)
    copies = {path: f"{layout.cassettes}/{path.relative_to(folder).as_posix()}" for path in paths}
    return {
        copy: path.read_bytes() for path, copy in copies.items() if _plays(code, path) or (layout.root / copy).exists()
    }


def _system_code(notebook: Notebook, layout: ConnectorLayout) -> str:
    module = layout.file(layout.dotted("system"))
    there = [module.read_text(encoding="utf-8")] if module.exists() else []
    return "\n".join([*(cell.source for cell in notebook.of("system")), *there])


def _plays(code: str, cassette: Path) -> bool:
    by_name = "Cassette.of(" in code and (cassette.stem == TOUR or f'"{cassette.stem}"' in code)
    return cassette.name in code or by_name
