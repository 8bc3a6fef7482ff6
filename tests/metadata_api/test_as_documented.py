"""The curl lines of README and docs, run as they are written; only ids, addresses and places are this test's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.architecture.rooms import ROOT
from tests.metadata_api.conftest import KEYS, TOKENS

if TYPE_CHECKING:
    from pathlib import Path

    from flows.local.control_plane import LocalControlPlane
    from tests.flows.conftest import RegisteredPair

pytestmark = pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="curl and openssl")


def block_with(page: str, word: str) -> str:
    """The one shell block of the page that holds the word."""
    (found,) = [each for each in re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.DOTALL) if word in each]
    return str(found)


def run(script: str, **environ: str) -> str:
    env = {**os.environ, **environ}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        check=False,
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def with_ids(script: str, pair: RegisteredPair) -> str:
    return script.replace("shop", pair.source_id).replace("lake", pair.sink_id)


def test_readme(control_plane: LocalControlPlane, pair: RegisteredPair, tmp_path: Path) -> None:
    folder = tmp_path / ".nucleus"
    folder.mkdir()
    (folder / "api.json").write_text(json.dumps({"signing_keys": {"local": KEYS["first"]}}))
    script = with_ids(block_with("README.md", "webhooks/ingestion"), pair)
    assert script.startswith(".venv/bin/nucleus up --api-port 8400\n"), "the control plane of the tests is up already"
    script = script.partition("\n")[2].replace("http://127.0.0.1:8400", str(control_plane.nucleus_api_url))
    # One run for the lines as they are and a second time: the key makes it the same.
    script = script.replace(".venv/bin/nucleus watch", ".venv/bin/nucleus watch --wait 30")
    said = run(script, HOME=str(tmp_path))
    assert '"state":"SCHEDULED"' in said
    assert "SUCCEEDED" in said
    assert pair.same()


def test_the_page(control_plane: LocalControlPlane, pair: RegisteredPair) -> None:
    known = {"API": str(control_plane.nucleus_api_url), "SECRET": KEYS["second"], "TOKEN": TOKENS["viewer"]}
    accepted: dict[str, Any] = json.loads(
        run(with_ids(block_with("docs/metadata-api.md", "$API/webhooks"), pair), **known)
    )
    assert set(accepted) == {"runId", "state", "link"}
    asked = json.loads(run(with_ids(block_with("docs/metadata-api.md", "$API/graphql"), pair), **known))
    assert [each["unitId"] for each in asked["data"]["ingestionStatuses"]] == ["public.orders"]
