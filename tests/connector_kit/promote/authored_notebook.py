"""A notebook as an author would leave it, cell by cell; and a copy of the parts of the repository it is promoted to."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[3]
ROOMS = ("cdm_mappers", "connectors", "contracts")

RUN = """
def run_cells():
    import codeop, json, sys
    from pathlib import Path
    compiler = codeop.Compile()  # remembers __future__ from cell to cell, as IPython does
    names = vars(sys.modules["__main__"])  # where IPython keeps them, too: pydantic looks up annotations there
    for number, cell in enumerate(json.loads(Path(sys.argv[1]).read_text())["cells"], 1):
        if cell["cell_type"] == "code":
            exec(compiler("".join(cell["source"]), f"cell {number}", "exec"), names)

run_cells()
"""

CELLS = {
    "tour": "# Acme\n\nA tour.",
    "parameters": "page_size = 3",
    "imports": """
        from __future__ import annotations

        import json
        from typing import TYPE_CHECKING, ClassVar, NamedTuple

        import polars as pl
        from pydantic import Field, SecretStr

        from connectors.http.client import HttpClient
    """,
    "config": '''
        """What an endpoint of template ``http.acme`` is configured with."""

        from connectors.http.settings import HttpSettings


        class AcmeConfig(HttpSettings):
            """An Acme site."""

            base_url: str = Field(description="The site.")
            token: SecretStr = Field(description="An access token.")
            page_size: int = Field(100, ge=1, description="Rows of one answer.")
    ''',
    "client": '''
        """Talks to an Acme site."""

        if TYPE_CHECKING:
            from collections.abc import Iterator

        _PATH = "/v1/things"  # the only list there is


        def _decoded(body: bytes) -> dict[str, object]:
            # Numbers stay as they are written.
            return dict(json.loads(body, parse_float=str))


        class AcmeClient:
            """Pages of things."""

            def __init__(self, config: AcmeConfig) -> None:
                token = config.token.get_secret_value()
                self._http = HttpClient(config.base_url, config, {"Authorization": f"Bearer {token}"})
                self._limit = config.page_size

            def pages(self, source: str) -> "Iterator[dict[str, object]]":
                """Every page, once."""
                yield self._http.get(_PATH, _decoded, {"limit": self._limit, "of": source})
    ''',
    "units": '''
        """The datasets of an Acme site."""


        class Unit(NamedTuple):
            """A dataset and what it is mapped to."""

            name: str
            cdm_model_id: str | None = None


        UNITS = (Unit("things", "cdm.work.item"), Unit("boxes"))
    ''',
    "source": '''
        """Acme as a source."""

        from connectors.describe import fields_of
        from contracts.endpoint import EndpointDescriptor

        DESCRIPTOR = EndpointDescriptor(
            template_id="http.acme",
            family="http",
            vendor="acme",
            title="Acme",
            description="Things and boxes.",
            fields=fields_of(AcmeConfig),
            capabilities=(),
            roles=("source",),
        )
    ''',
    "source 2": '''
        class AcmeSource:
            """Reads things."""

            descriptor: ClassVar[EndpointDescriptor] = DESCRIPTOR

            def __init__(self, config: AcmeConfig) -> None:
                self._client = AcmeClient(config)

            def names(self) -> list[str]:
                """Names of the units."""
                return [unit.name for unit in UNITS]


        class AcmeFactory:
            """What the registry loads."""

            descriptor = DESCRIPTOR
            config_class = AcmeConfig

            def source(self, config: AcmeConfig) -> AcmeSource:
                """A source over the config."""
                return AcmeSource(config)


        FACTORY = AcmeFactory()
    ''',
    "look": """
        config = AcmeConfig(base_url="http://127.0.0.1:9", token=SecretStr("t"), page_size=page_size)
        settings: HttpSettings = config
        AcmeSource(config).names()
    """,
    "mapper": '''
        """Acme rows as rows of the work family."""

        if TYPE_CHECKING:
            from contracts.mapping import MapContext


        def item(frame: pl.LazyFrame, context: MapContext) -> pl.LazyFrame:
            """``acme.things`` to ``cdm.work.item``."""
            return frame.with_columns(source_endpoint_id=pl.lit(context.endpoint_id))
    ''',
    "system": '''
        """The system behind Acme, for the tests."""



        class AcmeTestSystem:
            """A few things."""

            unit_id = "acme.things"

            def source(self):
                return AcmeSource(AcmeConfig(base_url="http://127.0.0.1:9", token=SecretStr("t")))
    ''',
}
ORDER = tuple(CELLS)


def number(name: str) -> int:
    """The cell's place in the notebook, from 1."""
    return ORDER.index(name) + 1


def notebook_of(**changed: str | None) -> dict:
    """The notebook with some cells' code replaced; None leaves the cell out."""
    cells = {**CELLS, **{name.replace("_2", " 2"): text for name, text in changed.items()}}
    return {
        "cells": [cell(name, dedent(text).strip("\n")) for name, text in cells.items() if text is not None],
        "metadata": {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def cell(name: str, text: str) -> dict:
    tag = name.removesuffix(" 2")
    tags = [] if tag in {"tour", "look"} else [tag]
    common = {"id": name.replace(" ", "-"), "metadata": {"tags": tags} if tags else {}}
    source = text.splitlines(keepends=True)
    if tag == "tour":
        return {"cell_type": "markdown", **common, "source": source}
    return {"cell_type": "code", "execution_count": 7, **common, "outputs": [stream()], "source": source}


def stream() -> dict:
    return {"name": "stdout", "output_type": "stream", "text": ["something\n"]}


def repository(folder: Path) -> Path:
    """A copy of the rooms that a connector touches and stands on."""
    folder.mkdir()
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def types_of_ours() -> str:
    """The tables of this repository that configure mypy, for another one: what it knows of packages then holds there."""
    text = (ROOT / "pyproject.toml").read_text()
    found = re.search(r"^\[tool\.mypy\].*?(?=^\[tool\.(?!mypy))", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return re.sub(r"^packages = .*\n", "", found[0], flags=re.MULTILINE)


def saved(root: Path, data: dict, name: str = "acme") -> Path:
    path = root / "notebooks" / "prototypes" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return path


def contents(root: Path) -> dict[str, str]:
    """Every file below the root by a hash of its bytes; what tools cache is left out."""
    paths = (path for path in root.rglob("*") if path.is_file() and not {"__pycache__", ".mypy_cache"} & {*path.parts})
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def python(root: Path, program: str) -> str:
    """What a program prints that runs in the repository."""
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", dedent(program)], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(root, path):
    """Execute the notebook's cells in order."""
    command = [sys.executable, "-c", RUN, str(path)]
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
