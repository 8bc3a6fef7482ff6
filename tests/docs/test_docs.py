"""What the documents say is so: links lead somewhere, commands exist, codes are real, every type has a row."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from cdm_mappers.models import MODELS
from cli.main import app
from contracts import errors
from metadata_api import errors as door_errors
from sandbox.every_type import COLUMNS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODES = {
    kind.code
    for room in (errors, door_errors)
    for kind in vars(room).values()
    if isinstance(kind, type) and hasattr(kind, "code")
} | {*door_errors.PLATFORM_CODES.values()}


def nucleus_lines():
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0].endswith("nucleus"):
                    yield pytest.param(words[1:], id=f"{page.name}: {' '.join(words[1:4])}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("words", list(nucleus_lines()))
def test_documented_commands_exist(words):
    command = typer.main.get_command(app)
    while commands := getattr(command, "commands", None):
        assert words[0] in commands, f"no command {words[0]}"
        command, words = commands[words[0]], words[1:]
    known = {name for option in command.params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_codes_are_real(page):
    assert set(re.findall(r"\bE_[A-Z_]+\b", page.read_text())) <= CODES


def test_every_type_has_a_row():
    rows = re.findall(r"^\| ([^|]+) \|", (ROOT / "docs" / "types.md").read_text(), re.MULTILINE)
    text = " ".join(rows).lower()
    names = {"varbit": "varbit", "macaddr8": "macaddr8", "double precision": "double precision"}
    for column in COLUMNS:
        plain = re.sub(r"\(.*?\)", "", column.sql_type)
        if "[" in plain:
            assert "arrays" in text
        elif "." in plain:
            assert "enums" in text
        else:
            known = names.get(plain, FAMILIES.get(plain.strip(), plain.strip()))
            assert known in text, f"docs/types.md has no row for {column.sql_type}"


FAMILIES = {
    "char": "char(n)", "character": "char(n)", "timestamp without time zone": "timestamp", "bit varying": "varbit",
    "timestamp with time zone": "timestamptz", "time with time zone": "timetz", '"char"': '"char"',
    **dict.fromkeys(
        ["int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange", "int4multirange", "int8multirange",
         "nummultirange", "tsmultirange", "tstzmultirange", "datemultirange"], "ranges and multiranges",
    ),
    **dict.fromkeys(["oid", "xid8", "pg_lsn", "pg_snapshot", "txid_snapshot", "regclass", "jsonpath"], "and the like"),
}  # fmt: skip


def test_every_common_model_is_in_the_docs():
    text = (ROOT / "docs" / "cdm.md").read_text()
    for model in MODELS.values():
        section = text.partition(f"### `{model.model_id}`")[2].partition("###")[0]
        rows = re.findall(r"^\| `(\w+)` \| (\w+)", section, re.MULTILINE)
        assert rows == [(column.name, column.logical_type) for column in model.columns], model.model_id


def test_the_readme_names_every_room():
    readme = (ROOT / "README.md").read_text()
    rooms = [folder.name for folder in ROOT.iterdir() if (folder / "__init__.py").exists()]
    assert {room for room in rooms if f"`{room}/`" not in readme} == set()
