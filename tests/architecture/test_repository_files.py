"""Files that only a forge, a container engine or a contributor's git reads: what they name is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml

from flows.local.commands import SERVER
from tests.architecture.rooms import ROOMS, ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
READ_BESIDE_THE_SETTINGS = "PREFECT_SERVER_ENCRYPTION_KEY"
"""Prefect reads it from the environment itself (prefect.server.utilities.encryption)."""
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def read(name: str) -> str:
    return (ROOT / name).read_text()


def test_the_forge_runs_what_everybody_runs():
    workflow = yaml.safe_load(read(".github/workflows/ci.yml"))
    (job,) = workflow["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    least = PROJECT["requires-python"].removeprefix(">=")
    assert least in job["strategy"]["matrix"]["python"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_hooks_use_the_tools_of_the_project():
    (repo,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repo["repo"] == "local"
    programs = {hook["entry"].split()[0] for hook in repo["hooks"]}
    recipe = read("Makefile").partition("\ncheck:")[2].partition("\n\n")[0]
    assert programs == {f".venv/bin/{name}" for name in re.findall(r"\$\(BIN\)/(ruff|mypy|lint-imports)", recipe)}


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_templates_of_issues_have_a_head(name):
    head = yaml.safe_load(read(f".github/ISSUE_TEMPLATE/{name}.md").split("---")[1])
    assert {"name", "about", "labels"} <= head.keys()


def test_the_changelog_knows_the_version():
    versions = re.findall(r"^## (.+)$", read("CHANGELOG.md"), re.MULTILINE)
    assert versions[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(PROJECT['version'])} - \d{{4}}-\d\d-\d\d", versions[1])


class TestImage:
    """The Dockerfile."""

    def test_it_is_built_in_stages_and_runs_as_nobody_special(self):
        stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", DOCKERFILE, re.MULTILINE)
        assert [name for _, name in stages] == ["build", ""]
        assert all(re.search(r":\d", image) for image, _ in stages), "an image without a version is any image"
        last = DOCKERFILE.rpartition("FROM ")[2]
        assert int(re.findall(r"^USER (\S+)$", last, re.MULTILINE)[-1]) > 0

    def test_instructions_are_known(self):
        lines = re.sub(r"\\\n", " ", DOCKERFILE).splitlines()
        words = {line.split()[0] for line in lines if line.strip() and not line.startswith("#")}
        assert words <= {"FROM", "ENV", "RUN", "COPY", "USER", "WORKDIR", "CMD"}

    def test_dependencies_are_the_locked_ones(self):
        assert "--no-deps --require-hashes -r /tmp/runtime.lock" in DOCKERFILE

    def test_it_is_given_every_room_and_nothing_else(self):
        allowed = {line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")}
        assert allowed == {
            *ROOMS,
            PROJECT["readme"],
            *PROJECT["license-files"],
            "pyproject.toml",
            "requirements/runtime.lock",
        }
        assert read(".dockerignore").startswith("*\n")


class TestCompose:
    """compose.yaml."""

    def test_the_server_has_the_settings_of_up(self):
        assert SERVER.items() <= SERVICES["server"]["environment"].items()

    def test_the_server_keeps_its_state_in_postgres(self):
        url = SERVICES["server"]["environment"]["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
        assert url.startswith("postgresql+asyncpg://")
        assert "@database/" in url

    def test_only_loopback_is_published(self):
        published = [port for service in SERVICES.values() for port in service.get("ports", ())]
        assert published
        assert all(port.startswith("127.0.0.1:") for port in published)

    def test_no_secret_is_written_down_and_none_is_optional(self):
        names = ("PASSWORD", "KEY", "TOKENS", "AUTH_STRING")
        values = [
            str(value)
            for service in SERVICES.values()
            for name, value in service.get("environment", {}).items()
            if any(word in name for word in names)
        ]
        assert len(values) >= 4
        assert all(re.fullmatch(r"\$\{\w+:\?\}", value) for value in values)

    def test_volumes_and_services_that_are_named_exist(self):
        volumes = {each.partition(":")[0] for service in SERVICES.values() for each in service.get("volumes", ())}
        assert volumes == COMPOSE["volumes"].keys()
        assert {name for service in SERVICES.values() for name in service.get("depends_on", ())} <= SERVICES.keys()

    def test_our_code_reads_every_variable_of_ours(self):
        ours = {
            name
            for service in SERVICES.values()
            for name in service.get("environment", {})
            if name.startswith("NUCLEUS")
        }
        code = "".join(path.read_text() for room in ("flows", "metadata_api") for path in (ROOT / room).rglob("*.py"))
        assert ours
        assert {name for name in ours if f'"{name}"' not in code} == set()

    @pytest.mark.slow
    def test_prefect_knows_every_variable_of_its_own(self):
        given = {name: "1" for service in SERVICES.values() for name in service.get("environment", {})}
        given |= {**SERVICES["server"]["environment"], **SERVICES["worker"]["environment"]}
        given = {name: value for name, value in given.items() if name.startswith("PREFECT")}
        shown = (
            "import json; from prefect.settings import get_current_settings as now; "
            "print(json.dumps(now().to_environment_variables(exclude_unset=True)))"
        )
        ran = subprocess.run(
            [sys.executable, "-c", shown], env={**os.environ, **given}, check=True, capture_output=True, text=True
        )
        unknown = given.keys() - json.loads(ran.stdout).keys() - {READ_BESIDE_THE_SETTINGS}
        assert unknown == set()

    @pytest.mark.parametrize("service", ["set-up", "worker", "api", "server"])
    def test_programs_are_ours_or_prefects(self, service):
        command = SERVICES[service]["command"]
        assert command[0] in {"nucleus", "prefect", "python"}
        if command[0] == "python":
            assert (ROOT / (command[2].replace(".", "/") + ".py")).is_file()
