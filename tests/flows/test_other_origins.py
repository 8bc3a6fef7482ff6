"""Pages of other origins cannot read what the Prefect server of `nucleus up` knows, and its own page still can."""

from __future__ import annotations

import base64
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from flows.prefect_api.client import saved_login

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flows.local.control_plane import LocalControlPlane

SECRETS = "/block_documents/filter"
ASK = {"include_secrets": True, "limit": 5}
CHROMIUM = shutil.which("chromium")
PAGE = """<!doctype html><title>foreign</title><pre id="said"></pre><script>
const ask = (url, how) => fetch(url, how).then(answer => answer.text().then(text => answer.status + " " + text), error => "" + error);
const json = {"content-type": "application/json"};
Promise.all([
  ask("/same-origin"),
  ask("API/block_documents/filter", {method: "POST", headers: json, body: '{"include_secrets": true}'}),
  ask("API/block_documents/filter", {method: "POST", headers: {...json, authorization: "Basic bm86bm8="}, body: "{}"}),
  ask("API/admin/version"),
]).then(said => { document.getElementById("said").textContent = said.join("|"); });
</script>"""


@pytest.fixture
def foreign(control_plane: LocalControlPlane) -> Iterator[str]:
    """The origin of a page that asks the Prefect API; another port is another origin."""

    class AskingPage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"mine" if self.path == "/same-origin" else PAGE.replace("API", control_plane.api_url).encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), AskingPage)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_only_callers_with_the_login_and_pages_of_the_server(control_plane: LocalControlPlane) -> None:
    login = str(saved_login(control_plane.home))
    basic = {"authorization": "Basic " + base64.b64encode(login.encode()).decode()}
    allowed = "access-control-allow-origin"
    with httpx.Client(base_url=control_plane.api_url, trust_env=False, timeout=60) as client:

        def ask(**headers: str) -> httpx.Response:
            return client.post(SECRETS, json=ASK, headers=headers)

        assert client.get("/health").status_code == 200
        assert ask().status_code == ask(authorization="Basic bm86bm8=").status_code == 401
        assert ask(**basic).status_code == 200
        assert ask(**basic, origin=control_plane.ui_url).headers[allowed] == control_plane.ui_url
        for origin in ("http://127.0.0.1:1", "https://attacker.example", "null"):
            assert allowed not in ask(**basic, origin=origin).headers
            preflight = {"origin": origin, "access-control-request-method": "POST"}
            refused = client.options(SECRETS, headers=preflight)
            assert (refused.status_code, allowed in refused.headers) == (400, False)
    file = control_plane.home / "prefect-login"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: install the package chromium")
@pytest.mark.slow
def test_a_page_of_another_origin_in_a_browser(foreign: str, tmp_path: Path) -> None:
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server",
        f"--user-data-dir={tmp_path}", "--virtual-time-budget=10000", "--dump-dom", foreign,
    ]  # fmt: skip
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    said = shown.partition('<pre id="said">')[2].partition("</pre>")[0].split("|")
    assert said[0] == "200 mine", shown
    assert said[1:] == ["TypeError: Failed to fetch"] * 3
