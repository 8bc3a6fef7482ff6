"""``make notebooks``: JupyterLab for this machine only, with the addresses that the tours ask for."""

from __future__ import annotations

from notebooks.serve import HERE, command


def test_it_is_for_this_machine_only():
    asked = command(["--no-browser"])
    assert "--ServerApp.ip=127.0.0.1" in asked
    assert f"--ServerApp.root_dir={HERE}" in asked
    assert asked[-1] == "--no-browser"
