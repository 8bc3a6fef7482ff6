"""``python -m notebooks.serve``: the sandboxes, and JupyterLab over the notebooks, both on 127.0.0.1 only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from notebooks.sandboxes import sandboxes

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Serve until JupyterLab ends; its exit code."""
    sys.stdout.write("Starting a database, a lending service and a tracker on this machine …\n")
    with sandboxes() as addresses:
        environment = {**os.environ, **{name.upper(): value for name, value in addresses.items()}}
        sys.stdout.write("Ready. Open tours/ and begin with openshelf.ipynb; Ctrl-C ends everything.\n")
        sys.stdout.flush()
        return _lab(environment, sys.argv[1:])


def command(arguments: list[str]) -> list[str]:
    """JupyterLab over this folder, for this machine only; what is in ``arguments`` wins.

    Jupyter refuses root by default, for the sake of servers that others can reach; in a container there is often nobody
    else.
    """
    places = [f"--ServerApp.root_dir={HERE}", "--ServerApp.ip=127.0.0.1", "--LabApp.default_url=/lab/tree/tours"]
    root = ["--allow-root"] if os.geteuid() == 0 else []
    return [sys.executable, "-m", "jupyterlab", *places, *root, *arguments]


def _lab(environment: dict[str, str], arguments: list[str]) -> int:
    """JupyterLab in a process of its own: on Ctrl-C it asks what to do, and this process waits for the answer."""
    with subprocess.Popen(command(arguments), env=environment) as lab:
        while True:
            try:
                return lab.wait()
            except KeyboardInterrupt:
                continue


if __name__ == "__main__":
    sys.exit(main())
