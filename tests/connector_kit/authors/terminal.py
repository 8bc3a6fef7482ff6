"""An author at a terminal: commands in a folder, and a notebook that is edited and executed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import papermill

if TYPE_CHECKING:
    from pathlib import Path

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", ".hypothesis", ".sandbox", "requirements")

ONE_BY_ONE = """
import json, sys
from cli.main import app
for words in json.loads(sys.argv[1]):
    try:
        app([*words, "--json"])
    except SystemExit as end:
        if end.code:
            raise
"""
"""Commands in one process: each of its own would load Prefect anew."""


class Author:
    """Somebody at a terminal in a copy of the repository, with a notebook open."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.home, self.notebook = root, home, root / "notebooks" / "prototypes" / "acme.ipynb"
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "NUCLEUS_")) and name != "PYTEST_CURRENT_TEST"
        }
        self.environ |= {"PYTHONPATH": str(root), "NUCLEUS_HOME": str(home), "PREFECT_HOME": str(home / "prefect")}

    def types(self, *command: str, code: int = 0, **environ: str) -> str:
        """A command line; what it said."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.root,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def nucleus(self, *words: str, **environ: str) -> Any:
        """A command's JSON document."""
        return json.loads(self.types("-m", "cli", *words, "--json", **environ))

    def edit(self, tag: str, before: str, after: str) -> None:
        """In the one cell of that tag."""
        held = json.loads(self.notebook.read_text())
        (cell,) = [each for each in held["cells"] if tag in each["metadata"].get("tags", [])]
        text = "".join(cell["source"])
        assert before in text
        cell["source"] = text.replace(before, after, 1).splitlines(keepends=True)
        self.notebook.write_text(json.dumps(held, indent=1))

    def runs_it(self, **parameters: Any) -> dict[str, Any]:
        """The executed notebook."""
        out = self.root.parent / "executed.ipynb"
        before = os.environ.copy()
        os.environ |= {"PYTHONPATH": str(self.root)}
        try:
            papermill.execute_notebook(
                str(self.notebook), str(out), {"groups": ["plan"], **parameters}, cwd=str(self.root), progress_bar=False
            )
        finally:
            os.environ.clear()
            os.environ.update(before)
        return dict(json.loads(out.read_text()))
