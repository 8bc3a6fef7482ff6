from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from connector_kit.promote.problems import PromotionRefusedError
from connector_kit.promote.promotion import promote
from contracts.errors import DependencyMissingError
from tests.connector_kit.promote.authored_notebook import (
    CELLS,
    ORDER,
    contents,
    notebook_of,
    number,
    python,
    run,
    saved,
)

pytestmark = pytest.mark.slow(2)


def refused(path, root, check=None):
    """The problems of a refusal that wrote nothing."""
    before = contents(root)
    with pytest.raises(PromotionRefusedError) as caught:
        promote(path, root, check=check)
    assert contents(root) == before
    assert "nothing was written" in str(caught.value)
    return caught.value.facts["problems"]


def text(root, name):
    return (root / name).read_text()


def test_a_notebook_becomes_modules_that_are_registered(root):
    path = saved(root, notebook_of())
    run(root, path)
    done = promote(path, root, check=None)
    assert set(done.written) == {
        *(f"connectors/acme/{name}.py" for name in ("__init__", "config", "client", "units", "source")),
        "cdm_mappers/acme_work.py",
        "cdm_mappers/registry.py",
        "connectors/registry.py",
        "tests/connectors/acme/system.py",
        "tests/connectors/acme/test_acme.py",
        "notebooks/prototypes/acme.ipynb",
    }
    assert done.written[-1] == "notebooks/prototypes/acme.ipynb"
    output = python(
        root,
        """
        from cdm_mappers.registry import CdmMapperRegistry
        from connectors.registry import EndpointRegistry
        factory = EndpointRegistry().get("http.acme")
        source = factory.source(factory.config_class(base_url="http://127.0.0.1:9", token="t"))
        print(factory.descriptor.title, *(field.name for field in factory.descriptor.fields if field.secret))
        print(*source.names())
        print(CdmMapperRegistry().find("http", "acme.things", "cdm.work.item").__module__)
        """,
    )
    assert output.splitlines() == ["Acme proxy token", "things boxes", "cdm_mappers.acme_work"]
    run(root, path)


def test_imports_go_where_they_are_used_and_words_stay(promoted):
    root, _ = promoted
    assert text(root, "connectors/acme/client.py") == dedent(
        '''\
        """Talks to an Acme site."""

        from __future__ import annotations

        import json
        from typing import TYPE_CHECKING

        from connectors.http.client import HttpClient

        if TYPE_CHECKING:
            from collections.abc import Iterator

            from connectors.acme.config import AcmeConfig


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

            def pages(self, source: str) -> Iterator[dict[str, object]]:
                """Every page, once."""
                yield self._http.get(_PATH, _decoded, {"limit": self._limit, "of": source})
        '''
    )
    assert text(root, "connectors/acme/source.py").startswith(
        '"""Acme as a source."""\n\nfrom __future__ import annotations\n\nfrom typing import ClassVar\n\n'
        "from connectors.acme.client import AcmeClient\nfrom connectors.acme.config import AcmeConfig\n"
        "from connectors.acme.units import UNITS\nfrom connectors.describe import fields_of\n"
    )


def test_the_notebook_keeps_everything_but_the_code(promoted):
    _, path = promoted
    before = notebook_of()
    after = json.loads(path.read_text())
    assert path.read_text() == json.dumps(after, indent=1, ensure_ascii=False) + "\n"
    assert [*before] == [*after]
    assert [cell["id"] for cell in before["cells"]] == [cell["id"] for cell in after["cells"]]
    kept = {"tour", "parameters", "imports", "look"}
    for name, old, new in zip(ORDER, before["cells"], after["cells"], strict=True):
        assert (old == new) == (name in kept), name
        if name not in kept:
            assert new["metadata"]["tags"] == old["metadata"]["tags"]
            assert (new["outputs"], new["execution_count"]) == ([], None)
    config = after["cells"][number("config") - 1]
    assert config["metadata"]["nucleus"]["module"] == "connectors.acme.config"
    assert config["source"] == [  # the tour names HttpSettings, which this cell used to import
        "from connectors.http.settings import HttpSettings\n",
        "from connectors.acme.config import AcmeConfig",
    ]


def test_a_cell_that_is_one_text_stays_one_and_the_future_goes_on(root):
    data = notebook_of()
    place = number("config") - 1
    docstring, *rest = data["cells"][place]["source"]
    data["cells"][place]["source"] = "".join([docstring, "from __future__ import annotations\n", *rest])
    data["cells"][number("imports") - 1]["source"].remove("from __future__ import annotations\n")
    path = saved(root, data)
    promote(path, root, check=None)
    source = json.loads(path.read_text())["cells"][place]["source"]
    assert isinstance(source, str)
    assert source.splitlines()[0] == "from __future__ import annotations"
    run(root, path)


def test_types_that_are_needed_at_run_time_are_imported_at_run_time(root):
    config = (
        CELLS["config"]
        .replace("An Acme site.", "One.")
        .replace(
            "            page_size",
            '            since: datetime | None = Field(None, description="From when.")\n            page_size',
        )
    )
    client = (
        CELLS["client"]
        + """

        class _Answer(msgspec.Struct):
            day: date
    """
    )
    imports = (
        CELLS["imports"]
        .replace("import json", "import json\n        from datetime import date, datetime")
        .replace("import polars", "import msgspec\n        import polars")
    )
    promote(saved(root, notebook_of(config=config, client=client, imports=imports)), root, check=None)
    assert "\nfrom datetime import datetime\n" in text(root, "connectors/acme/config.py")
    output = python(
        root,
        """
        import msgspec
        from connectors.acme.client import _Answer
        from connectors.acme.config import AcmeConfig
        print(AcmeConfig(base_url="b", token="t", since="2026-01-01").since, msgspec.json.decode('{"day": "2026-01-02"}', type=_Answer).day)
        """,
    )
    assert output.split() == ["2026-01-01", "00:00:00", "2026-01-02"]


def test_promoting_again_changes_nothing_and_says_so(promoted):
    root, path = promoted
    before = contents(root)
    again = promote(path, root, check=None)
    assert not again.changed
    assert "nothing to promote" in str(again)
    assert contents(root) == before


def test_traffic_that_the_test_system_plays_goes_to_the_tests(root):
    path = saved(root, notebook_of(system=CELLS["system"] + '\n        TAPE = "pages/first.jsonl"\n'))
    tape, unused = (path.parent / "acme" / "pages" / f"{name}.jsonl" for name in ("first", "second"))
    tape.parent.mkdir(parents=True)
    tape.write_text("{}\n")
    unused.write_text("{}\n")
    done = promote(path, root, check=None)
    copy = "tests/connectors/acme/cassettes/pages/first.jsonl"
    assert [name for name in done.written if name.endswith(".jsonl")] == [copy]
    tape.write_text('{"recorded": "again"}\n')
    assert promote(path, root, check=None).written == (copy,)
    assert text(root, copy) == '{"recorded": "again"}\n'


def with_line(name, code, **more):
    """The notebook with a line at the end of a cell; and that line's number."""
    whole = dedent(CELLS[name]).strip("\n") + "\n\n\n" + code
    return {name.replace(" ", "_"): whole, **more}, len(whole.splitlines())


REFUSED = {
    "upwards": ("client", "FIRST = UNITS[0]", "`client` uses `UNITS` of `units`", "Move `UNITS`"),
    "upwards by import": ("client", "from connectors.acme.units import UNITS", "of `units`", "Move `UNITS`"),
    "undefined": ("units", "MORE = nowhere", "`nowhere` is defined nowhere", "import it"),
    "of the tour": ("units", "SIZE = page_size", f"from cell {number('parameters')}", "tag"),
    "lint": ("units", 'ONE = eval("1")', "S307", "ruff rule S307"),
    "types": ("units", 'BAD: int = "text"', "Incompatible types in assignment", "types"),
    "not importable": ("units", 'NONE = {}["key"]', "KeyError: 'key'", "Correct the cell"),
    "an action": ("config", "print(1)", "does something", "untagged"),
    "a command": ("config", "%time 1", "not Python", "untagged"),
    "a star": ("config", "from json import *", "imports everything of json", "names"),
    "a connector in a mapper": ("mapper", "HOW = AcmeConfig", "mappers import no connector", "columns"),
    "two on a line": ("units", "A = 1; B = 2", "two statements", "own line"),
    "a stray text": ("units", '"""Not at the top."""', "no docstring", "comment"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_wrong_is_said_at_its_place(root, why):
    name, code, what, fix = REFUSED[why]
    changed, last = with_line(name, code)
    first = last - code.count("\n")
    (problem, *others) = refused(saved(root, notebook_of(**changed)), root)
    assert problem["cell"] == number(name), problem
    assert first <= problem["line"] <= last
    assert what in problem["what"]
    assert fix in problem["fix"]
    assert others == []


def test_all_problems_are_said_at_once(root):
    changed = {"units": dedent(CELLS["units"]) + "\nMORE = nowhere\n", "mapper": "M = AcmeConfig", "config": "print(1)"}
    assert [each["cell"] for each in refused(saved(root, notebook_of(config="print(1)", mapper="print(2)")), root)] == [
        number("config"), number("mapper"),
    ]  # fmt: skip
    del changed["config"]
    found = refused(saved(root, notebook_of(client=CELLS["client"].replace("_PATH,", "PATH,"), **changed)), root)
    assert [each["cell"] for each in found] == [number("client"), number("units")]


def test_a_failing_check_refuses_at_the_line_it_names(root):
    seen = []

    def check(folder):
        seen.append(
            python(folder, "from connectors.registry import EndpointRegistry as R; print(R().get('http.acme'))")
        )
        lines = text_of_client(folder).splitlines()
        return [f"connectors/acme/client.py:{lines.index(line) + 1}: a page is read twice"]

    def text_of_client(folder):
        return Path(folder, "connectors", "acme", "client.py").read_text()

    line = '        """Every page, once."""'
    (problem,) = refused(saved(root, notebook_of()), root, check)
    assert "AcmeFactory" in seen[0]
    assert problem["cell"] == number("client")
    assert dedent(CELLS["client"]).strip("\n").splitlines()[problem["line"] - 1] == line
    assert "read twice" in problem["what"]


def test_a_check_with_nothing_to_say_lets_it_pass(root):
    assert promote(saved(root, notebook_of()), root, check=lambda _folder: []).changed


@pytest.mark.parametrize("section", ["config", "client", "system"])
def test_a_missing_section_is_named(root, section):
    problems = refused(saved(root, notebook_of(**{section: None})), root)
    assert f"no cell is tagged `{section}`" in [each["what"] for each in problems]


def test_no_factory_no_lab_no_mapper(root):
    (problem,) = refused(saved(root, notebook_of(source_2=CELLS["source 2"].replace("FACTORY =", "OTHER ="))), root)
    assert (problem["cell"], "FACTORY" in problem["what"]) == (number("source"), True)
    (problem,) = refused(
        saved(root, notebook_of(system=CELLS["system"].replace("AcmeTestSystem", "OtherTestSystem"))), root
    )
    assert problem["cell"] == number("system")
    (problem,) = refused(saved(root, notebook_of(mapper=None)), root)
    assert (problem["cell"], "'things' is bound to cdm.work.item" in problem["what"]) == (number("units"), True)
    (problem,) = refused(saved(root, notebook_of(mapper=CELLS["mapper"].replace("def item", "def entry"))), root)
    assert (problem["cell"], "neither things nor item" in problem["what"]) == (number("mapper"), True)


def test_a_module_that_ends_the_process_is_refused(root):
    (problem,) = refused(
        saved(root, notebook_of(units=CELLS["units"] + "\n        import os\n        GONE = os._exit(3)")), root
    )
    assert "ended with 3" in problem["what"]


def test_a_notebook_may_lie_elsewhere(root, tmp_path):
    path = saved(tmp_path / "desk", notebook_of())
    done = promote(path, root, check=None)
    assert done.written[-1] == str(path)
    assert "from connectors.acme.client import AcmeClient" in path.read_text()
    assert not promote(path, root, check=None).changed


def test_a_cell_of_two_sections_is_refused(root):
    data = notebook_of()
    data["cells"][number("units") - 1]["metadata"]["tags"] = ["units", "source"]
    (problem,) = refused(saved(root, data), root)
    assert problem["cell"] == number("units")


@pytest.mark.parametrize("name", ["Acme", "2acme", "class", "my-acme"])
def test_a_name_must_be_a_modules(root, name):
    (problem,) = refused(saved(root, notebook_of(), name), root)
    assert repr(name) in problem["what"]


def test_what_is_no_notebook_is_refused(root):
    path = saved(root, notebook_of())
    for content in ("{}", "not JSON", "[]"):
        path.write_text(content)
        assert refused(path, root)
    path.unlink()
    assert refused(path, root)


def test_a_template_id_is_not_taken_twice(promoted):
    root, _ = promoted
    (problem,) = refused(
        saved(
            root,
            notebook_of(
                mapper=None, units="UNITS = ()", system=CELLS["system"].replace("AcmeTestSystem", "OtherTestSystem")
            ),
            "other",
        ),
        root,
    )
    assert "'http.acme' is registered already" in problem["what"]


def test_a_file_of_somebody_else_is_not_written_over(root):
    (root / "connectors" / "acme").mkdir()
    (root / "connectors" / "acme" / "client.py").write_text('"""Somebody\'s own."""\n')
    (problem,) = refused(saved(root, notebook_of()), root)
    assert (problem["cell"], "is there already" in problem["what"]) == (number("client"), True)


def test_code_put_back_into_a_cell_is_promoted_alone(promoted):
    root, path = promoted
    data = json.loads(path.read_text())
    longer = dedent(CELLS["client"]).strip("\n").replace("/v1/things", "/v2/things")
    data["cells"][number("client") - 1]["source"] = longer.splitlines(keepends=True)
    saved(root, data)
    assert promote(path, root, check=None).written == ("connectors/acme/client.py", "notebooks/prototypes/acme.ipynb")
    assert "/v2/things" in text(root, "connectors/acme/client.py")
    run(root, path)


def put_back(path, root, name, old, new):
    """The cell's code in the notebook again, changed."""
    data = json.loads(path.read_text())
    whole = dedent(CELLS[name]).strip("\n")
    assert old in whole
    data["cells"][number(name) - 1]["source"] = whole.replace(old, new).splitlines(keepends=True)
    saved(root, data)


def test_what_is_promoted_must_fit_what_was(promoted):
    root, path = promoted
    put_back(path, root, "config", "page_size:", "rows_of_a_page:")
    (problem,) = refused(path, root)
    assert "connectors/acme/client.py" in problem["what"]
    assert "page_size" in problem["what"]


def test_a_new_binding_is_registered_with_the_mapper_that_is_there(promoted):
    root, path = promoted
    put_back(path, root, "units", 'Unit("boxes")', 'Unit("boxes", "cdm.work.project")')
    (problem,) = refused(path, root)
    assert (problem["cell"], "neither boxes nor project" in problem["what"]) == (number("units"), True)
    put_back(path, root, "units", 'Unit("boxes")', 'Unit("boxes", "cdm.work.item")')
    assert "cdm_mappers/registry.py" in promote(path, root, check=None).written
    assert python(
        root,
        """
        from cdm_mappers.registry import CdmMapperRegistry
        print(CdmMapperRegistry().find("http", "acme.boxes", "cdm.work.item").__module__)
        """,
    ).split() == ["cdm_mappers.acme_work"]


def test_edits_of_a_module_are_kept(promoted):
    root, path = promoted
    module = root / "connectors" / "acme" / "client.py"
    module.write_text(module.read_text().replace("/v1/", "/v3/"))
    before = contents(root)
    done = promote(path, root, check=None)
    assert not done.changed
    assert "connectors.acme.client was edited" in str(done)
    data = json.loads(path.read_text())
    data["cells"][number("client") - 1]["source"] = dedent(CELLS["client"]).strip("\n").splitlines(keepends=True)
    saved(root, data)
    (problem,) = refused(path, root)
    assert problem["cell"] == number("client")
    assert contents(root) == {
        **before,
        "notebooks/prototypes/acme.ipynb": contents(root)["notebooks/prototypes/acme.ipynb"],
    }


def test_new_code_beside_a_module_is_refused(promoted):
    root, path = promoted
    data = json.loads(path.read_text())
    data["cells"].append({**data["cells"][number("units") - 1], "id": "more", "source": ["MORE = 1"]})
    saved(root, data)
    (problem,) = refused(path, root)
    assert problem["cell"] == len(ORDER) + 1
    (root / "connectors" / "acme" / "units.py").unlink()
    data["cells"].pop()
    saved(root, data)
    (problem,) = refused(path, root)
    assert (problem["cell"], "is gone" in problem["what"]) == (number("units"), True)


def test_a_promotion_that_was_killed_is_finished(promoted):
    root, _ = promoted
    done = contents(root)
    path = saved(root, notebook_of())
    (root / "connectors" / "acme" / "source.py").unlink()
    assert promote(path, root, check=None).written == ("connectors/acme/source.py", "notebooks/prototypes/acme.ipynb")
    assert contents(root) == done


def test_what_cannot_be_written_is_put_back(root):
    path = saved(root, notebook_of())
    (root / "tests").write_text("a file where a folder should be")
    before = contents(root)
    with pytest.raises(OSError, match="tests"):
        promote(path, root, check=None)
    assert contents(root) == before


@pytest.mark.parametrize("tool", ["ruff", "mypy"])
def test_a_missing_tool_is_named(root, monkeypatch, tool):
    monkeypatch.setitem(sys.modules, tool, None)
    before = contents(root)
    with pytest.raises(DependencyMissingError, match=f"-m pip install {tool}"):
        promote(saved(root, notebook_of()), root, check=None)
    assert {name: each for name, each in contents(root).items() if name in before} == before
