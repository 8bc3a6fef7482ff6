"""Where a promotion is built and checked: a shadow of the repository in a temporary folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from connector_kit.promote import conformance, modules, registries, tools, tree
from connector_kit.promote.cells import CHAIN
from connector_kit.promote.probe import connector_facts
from connector_kit.promote.problems import Problem, ProblemsFoundError
from connector_kit.promote.source_map import SourceMap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from connector_kit.promote.drafts import Draft
    from connector_kit.promote.layout import ConnectorLayout
    from connector_kit.promote.probe import Binding, ConnectorFacts
    from connector_kit.promote.sections import Sections


class PromotionBuild:
    """Builds one promotion; ``files`` is what it would write, by path below the root.

    Args:
        layout: Where the parts go.
        sections: What the notebook holds.
        folder: Empty; becomes the shadow.
    """

    def __init__(self, layout: ConnectorLayout, sections: Sections, folder: Path) -> None:
        self._layout, self._sections, self._folder = layout, sections, folder
        self._source_map = SourceMap()
        self._made: dict[str, str] = {}
        self.files: dict[str, bytes] = {}
        self.notes: tuple[str, ...] = ()

    def add(self, files: Mapping[str, bytes]) -> None:
        """Put files into the shadow; they are part of the promotion."""
        self.files |= files
        tree.shadow(self._layout.root, self._folder, files)

    def build(self) -> dict[str, tuple[str, bytes]]:
        """Everything that the promotion writes; the modules' dotted names and contents by section.

        Raises:
            ProblemsFoundError: Names that lead nowhere, modules that cannot be imported, entries that are taken.
        """
        self.add({f"{folder}/__init__.py": self._init(folder) for folder in self._layout.packages if self._new(folder)})
        self._make({name: self._layout.dotted(name) for name in (*CHAIN, "system") if name in self._sections.drafts})
        facts = connector_facts(self._folder, self._layout, self._source_map)
        pairs = self._mappers(facts)
        self._register(facts, pairs)
        self._test(facts)
        return self.modules

    @property
    def modules(self) -> dict[str, tuple[str, bytes]]:
        """The modules' dotted names and contents by section."""
        return {name: (dotted, self.files[self._layout.below(dotted)]) for name, dotted in self._made.items()}

    def verify(self, check: Callable[[str], list[str]] | None) -> None:
        """Ask the tools, then the caller.

        Raises:
            ProblemsFoundError: They report problems.
        """
        if problems := self.lint_and_types():
            raise ProblemsFoundError(*problems)
        failures = check(str(self._folder)) if check else []
        if failures:
            fix = "Change the connector until the check passes."
            raise ProblemsFoundError(*(self._source_map.problem_in_text(each, fix) for each in failures))

    def lint_and_types(self) -> list[Problem]:
        """What the tools say against the connector."""
        code = [name for name in self.files if name.endswith(".py")]
        # Of the connector all of it: what was promoted before may not fit what is promoted now.
        whole = (path.relative_to(self._folder).as_posix() for path in self._folder.glob(f"{self._layout.folder}/*.py"))
        product = sorted({*whole, *(name for name in code if not name.startswith("tests/"))})
        messages = tools.lint(self._folder, code)
        messages += tools.types(self._folder, product, self._layout.root / ".mypy_cache")
        return [*map(self._source_map.problem, messages)]

    def _new(self, folder: str) -> bool:
        return not (self._layout.root / folder / "__init__.py").exists()

    def _init(self, folder: str) -> bytes:
        what = (
            f"Connector ``{self._layout.name}``"
            if folder == self._layout.folder
            else "Connectors for Nucleus ingestion"
        )
        return f'"""{what}."""\n'.encode()

    def _make(self, dotted: Mapping[str, str]) -> None:
        lines, problems = {}, list[Problem]()
        for section, module in dotted.items():
            try:
                lines[self._layout.below(module)] = modules.assembled(
                    self._sections.drafts[section], self._sections.around
                )
            except ProblemsFoundError as error:
                problems += error.problems
        if problems:
            raise ProblemsFoundError(*problems)
        texts = self._tidied({path: modules.text_of(each) for path, each in lines.items()})
        for path, text in texts.items():
            self._source_map.add(path, lines[path], text)
        self._made |= dotted

    def _tidied(self, texts: Mapping[str, str]) -> dict[str, str]:
        self.add({path: text.encode() for path, text in texts.items()})
        tools.tidy(self._folder, list(texts))
        done = {path: (self._folder / path).read_bytes() for path in texts}
        self.files |= done
        return {path: content.decode() for path, content in done.items()}

    def _mappers(self, facts: ConnectorFacts) -> list[tuple[Binding, str]]:
        """The function of each unit that is mapped; the mapper's module is made where its code is in the notebook."""
        draft, there = self._sections.drafts.get("mapper"), self._sections.around.sections.get("mapper")
        if there is None:
            if facts.bound and self._layout.ours:
                one, fix = facts.bound[0], "Write its mapper, or remove the unit's cdm_model_id."
                raise self._unmapped(f"unit {one.unit!r} is bound to {one.model}, and no cell is tagged `mapper`", fix)
            return []
        dotted = there.module
        if draft is not None:
            dotted = self._mapper_module(draft, facts)
            self._make({"mapper": dotted})
        return [(each, f"{dotted}:{self._function(there.names, each)}") for each in facts.bound]

    def _mapper_module(self, draft: Draft, facts: ConnectorFacts) -> str:
        first = draft.cells[0]
        if not self._layout.ours:
            what = "a third party's mapper is not promoted: its package registers it"
            fix = "Untag the cell, and register the mapper by an entry point of the group nucleus.mappers."
            raise ProblemsFoundError(first.problem(0, what, fix))
        if not facts.bound:
            what = "no unit is bound to a common model"
            raise ProblemsFoundError(first.problem(0, what, "Give a unit its cdm_model_id."))
        return self._layout.mapper("_".join(sorted({each.family for each in facts.bound})))

    def _function(self, names: frozenset[str], one: Binding) -> str:
        fitting = [one.unit, one.model.rpartition(".")[2]]
        match = next((name for name in fitting if name in names), None)
        if match is None:
            what = f"unit {one.unit!r} is bound to {one.model}, and the mapper defines neither {' nor '.join(fitting)}"
            raise self._unmapped(what, "Name a function after the unit or after the model.")
        return match

    def _unmapped(self, what: str, fix: str) -> ProblemsFoundError:
        drafts = self._sections.drafts
        draft = drafts.get("mapper") or drafts.get("units")
        return ProblemsFoundError(Problem(draft.cells[0].number if draft else 0, 0, what, fix))

    def _register(self, facts: ConnectorFacts, pairs: Sequence[tuple[Binding, str]]) -> None:
        path = f"{self._layout.dotted('source')}:FACTORY"
        if not self._layout.ours:
            self._edit("pyproject.toml", partial(registries.with_entry_point, template_id=facts.template_id, path=path))
            self.notes = (f"Install the package again (pip install -e .): then the registry has {facts.template_id}.",)
            return
        self._edit(
            "connectors/registry.py", partial(registries.with_connector, template_id=facts.template_id, path=path)
        )
        for one, mapper in pairs:
            self._edit(
                "cdm_mappers/registry.py",
                partial(registries.with_mapper, family=facts.family, kind=one.kind, model=one.model, path=mapper),
            )

    def _edit(self, file: str, edit: Callable[[str], str]) -> None:
        before = (self._folder / file).read_text(encoding="utf-8")
        after = edit(before)
        if after == before:
            return
        if file.endswith(".py"):
            self._tidied({file: after})
        else:
            self.add({file: after.encode()})

    def _test(self, facts: ConnectorFacts) -> None:
        file = f"{self._layout.tests}/test_{self._layout.name}.py"
        if not (self._layout.root / file).exists():
            names = self._sections.around.sections["system"].names
            self._tidied({file: conformance.test_text(self._layout, facts.template_id, names)})
