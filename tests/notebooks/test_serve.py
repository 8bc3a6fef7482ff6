"""``make notebooks``: JupyterLab for this machine only, with the addresses that the tours ask for."""

from __future__ import annotations

import papermill
import pytest

from notebooks.serve import HERE, command
from tests.notebooks.test_tours import TOURS


def test_it_is_for_this_machine_only():
    asked = command(["--no-browser"])
    assert "--ServerApp.ip=127.0.0.1" in asked
    assert f"--ServerApp.root_dir={HERE}" in asked
    assert asked[-1] == "--no-browser"


@pytest.mark.parametrize("tour", TOURS, ids=lambda path: path.stem)
def test_a_tour_finds_its_addresses_in_the_environment(tour, addresses, monkeypatch):
    for name, value in addresses.items():
        monkeypatch.setenv(name.upper(), value)
    asked = papermill.inspect_notebook(tour)
    assert asked
    found: dict[str, str] = {}
    exec("import os\n" + "\n".join(f"{name} = {one['default']}" for name, one in asked.items()), found)  # noqa: S102
    assert {name: found[name] for name in asked} == {name: addresses[name] for name in asked}
