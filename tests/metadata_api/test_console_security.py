"""Who is let in to the operator's console, what its forms prove, and that what it shows is never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from metadata_api.console import sessions
from metadata_api.console.routes import ROUTES
from metadata_api.limits import RateLimiter
from metadata_api.settings import load_settings
from tests.metadata_api.console_world import (
    HOSTILE,
    ISSUES,
    REF,
    SECRET,
    TOKENS,
    UNIT,
    ConsoleWorkspace,
    HeadlessBrowser,
    ScriptsFound,
    services_of,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLACE = {"endpoint": "shop", "unit": UNIT}
GETS = [
    "",
    "/board",
    "/add",
    "/endpoints/shop",
    "/unit?endpoint=shop&unit=public.orders",
    "/data",
    "/lineage",
    "/help/E_X",
]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[ConsoleWorkspace]:
    made = ConsoleWorkspace(tmp_path)
    yield made
    made.close()


@pytest.fixture
def stranger(workspace: ConsoleWorkspace) -> HeadlessBrowser:
    return HeadlessBrowser(services_of(workspace))


def every_post() -> list[str]:
    return [route.path.removeprefix("/console") for route in ROUTES if "POST" in route.methods]  # type: ignore[union-attr]


class TestSigningIn:
    @pytest.mark.parametrize("path", GETS)
    def test_nobody_sees_a_page_without_it(self, stranger: HeadlessBrowser, path: str) -> None:
        answer = stranger.get(path)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/console/sign-in?next=/console")
        assert stranger.send("GET", f"/console{path}", headers={"x-console-fragment": "1"}).status_code == 401

    def test_the_cookie_is_for_this_site_and_not_for_scripts(self, stranger: HeadlessBrowser) -> None:
        stranger.get("/sign-in", next="/console/data")
        fields = {"form_token": stranger.form_token, "token": "admin-token-0123456789", "next": "/console/data"}
        answer = stranger.send("POST", "/console/sign-in", data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/console/data")
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/console"} <= set(cookie.split("; "))
        assert "admin-token" not in cookie
        assert stranger.get("/data").status_code == 200

    def test_wrong_tokens(self, stranger: HeadlessBrowser) -> None:
        stranger.get("/sign-in")
        for token in ("", "wrong", "admin-token-012345678", "admin-token-0123456789x"):
            fields = {"form_token": stranger.form_token, "token": token}
            answer = stranger.send("POST", "/console/sign-in", data=fields)
            assert (answer.status_code, "No valid token" in answer.text) == (401, True)
            assert stranger.get("").status_code == 303

    @pytest.mark.parametrize("target", ["https://attacker.example", "//attacker.example", "/graphql", "/consolex", ""])
    def test_it_leads_to_the_console_only(self, stranger: HeadlessBrowser, target: str) -> None:
        stranger.get("/sign-in")
        fields = {"form_token": stranger.form_token, "token": "admin-token-0123456789", "next": target}
        assert stranger.send("POST", "/console/sign-in", data=fields).headers["location"] == "/console"

    def test_a_form_of_somebody_else_signs_nobody_in(self, stranger: HeadlessBrowser) -> None:
        fields = {"form_token": "0" * 64, "token": "admin-token-0123456789"}
        assert stranger.send("POST", "/console/sign-in", data=fields).status_code == 403

    def test_a_cookie_cannot_be_made_up_or_outlive_its_end(self, stranger: HeadlessBrowser, monkeypatch: Any) -> None:
        stranger.sign_in("viewer-token-0123456789")
        ((name, good),) = stranger.cookies.items()
        role, ends, rest = good.split(".", 2)
        for forged in (
            f"admin.{ends}.{rest}",
            f"{role}.{int(ends) + 9}.{rest}",
            f"{good}0",
            "",
            "a.b.c",
            "..",
            f"admin.{'9' * 30}.x.y",
        ):
            stranger.cookies = httpx.Cookies({name: forged})
            assert stranger.get("").status_code == 303, forged
        stranger.cookies = httpx.Cookies({name: good})
        assert stranger.get("").status_code == 200
        monkeypatch.setattr(sessions.time, "time", lambda: float(ends) + 1)
        assert stranger.get("").status_code == 303

    def test_a_token_that_was_taken_out_ends_its_sessions_and_a_restart_does_not(
        self, workspace: ConsoleWorkspace
    ) -> None:
        services = services_of(workspace)
        before = HeadlessBrowser(services).sign_in()
        restarted = HeadlessBrowser(services)
        restarted.cookies = before.cookies
        assert restarted.get("").status_code == 200
        rotated = HeadlessBrowser(services_of(workspace))
        rotated.app.state.services.settings.__dict__["tokens"] = {"another-token-0123456": "admin"}
        rotated.cookies = before.cookies
        assert rotated.get("").status_code == 303
        assert before.post("/sign-out").status_code == 303
        assert before.get("").status_code == 303

    def test_too_many_requests_are_refused(self, workspace: ConsoleWorkspace) -> None:
        services = services_of(workspace)
        browser = HeadlessBrowser(services).sign_in()
        services.__dict__["limiter"] = RateLimiter(1.0, lambda: 0.0)
        assert [browser.get("/board").status_code for _ in range(4)] == [200, 200, 429, 429]


class TestOpenOnLoopback:
    def test_it_is_open_where_that_was_chosen(self, workspace: ConsoleWorkspace) -> None:
        browser = HeadlessBrowser(services_of(workspace, console_open=True))
        assert browser.get("").status_code == 200
        browser.get("/add", template="jdbc.postgres")
        assert "It works" in words_of(browser.post("/endpoints/shop/test"))

    @pytest.mark.parametrize(
        ("url", "address", "headers"),
        [
            ("http://127.0.0.1:8400", "10.0.0.9", {}),
            ("http://attacker.example:8400", "127.0.0.1", {}),
            ("http://127.0.0.1.attacker.example:8400", "127.0.0.1", {}),
            ("http://127.0.0.1:8400", "127.0.0.1", {"x-forwarded-for": "203.0.113.5"}),
            ("http://127.0.0.1:8400", "127.0.0.1", {"forwarded": "for=203.0.113.5"}),
        ],
    )
    def test_not_to_others(self, workspace: ConsoleWorkspace, url: str, address: str, headers: dict[str, str]) -> None:
        browser = HeadlessBrowser(services_of(workspace, console_open=True), url, address)
        assert browser.send("GET", "/console", headers=headers).status_code == 303

    def test_a_token_is_asked_for_unless_it_was_chosen(self, tmp_path: Path) -> None:
        assert not load_settings(tmp_path, {}).console_open
        assert load_settings(tmp_path, {"NUCLEUS_API_CONSOLE_OPEN": "1"}).console_open


class TestForms:
    @pytest.mark.parametrize("path", every_post())
    def test_every_action_wants_the_token_of_its_session(self, workspace: ConsoleWorkspace, path: str) -> None:
        browser = HeadlessBrowser(services_of(workspace)).sign_in()
        path = path.replace("{endpoint_id}", "shop")
        other = HeadlessBrowser(browser.app.state.services).sign_in().form_token
        for token in ("", "0" * 64, other):
            answer = browser.send("POST", f"/console{path}", data={"form_token": token, **PLACE, "confirmed": "true"})
            assert answer.status_code in {303, 403}, path
            assert path == "/sign-out" or answer.status_code == 403
        assert workspace.prefect.flow_runs == {}
        assert len(workspace.endpoints.list()) == 4
        assert browser.get("").status_code == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {"origin": "https://attacker.example"},
            {"origin": "null"},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ],
    )
    def test_pages_of_other_origins_are_refused(self, workspace: ConsoleWorkspace, headers: dict[str, str]) -> None:
        browser = HeadlessBrowser(services_of(workspace)).sign_in()
        data = {"form_token": browser.form_token, **PLACE}
        assert browser.send("POST", "/console/unit/start", data=data, headers=headers).status_code == 403
        own = {"origin": browser.url, "sec-fetch-site": "same-origin"}
        assert browser.send("POST", "/console/unit/start", data=data, headers=own).status_code == 200

    def test_asking_changes_nothing(self, workspace: ConsoleWorkspace) -> None:
        browser = HeadlessBrowser(services_of(workspace)).sign_in()
        for path in every_post():
            browser.get(path.replace("{endpoint_id}", "shop"), **PLACE)
        assert workspace.prefect.flow_runs == {}
        assert len(workspace.endpoints.list()) == 4

    def test_large_and_strange_bodies(self, workspace: ConsoleWorkspace) -> None:
        browser = HeadlessBrowser(services_of(workspace)).sign_in()
        assert browser.post("/unit/save", **PLACE, note="x" * 300_000).status_code == 413
        many = "&".join(f"a{number}=1" for number in range(3_000))
        for body in (b"\xff\xfe=1", many.encode()):
            assert browser.send("POST", "/console/unit/start", content=body).status_code == 403


class TestWhatIsShown:
    def test_headers_of_every_answer(self, workspace: ConsoleWorkspace) -> None:
        stranger, browser = HeadlessBrowser(services_of(workspace)), HeadlessBrowser(services_of(workspace)).sign_in()
        answers = [browser.get(path) for path in (*GETS, "/static/console.js", "/static/console.css", "/runs/none")]
        answers += [stranger.get(path) for path in ("", "/sign-in")] + [
            browser.post("/unit/start", **PLACE),
            stranger.post("/unit/start"),
        ]
        for answer in answers:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["x-content-type-options"] == "nosniff"

    def test_no_page_has_a_script_or_style_of_its_own_or_asks_anybody_else(self, workspace: ConsoleWorkspace) -> None:
        browser = HeadlessBrowser(services_of(workspace)).sign_in()
        for path in GETS:
            page = ScriptsFound(browser.get(path))
            assert page.found == []
            assert [each for each in page.addresses if not each.startswith(("/console", "#"))] == []

    def test_only_its_own_files(self, stranger: HeadlessBrowser) -> None:
        assert stranger.get("/static/console.js").headers["content-type"].startswith("text/javascript")
        for name in ("routes.py", "..%2froutes.py", "../routes.py", "console.js.map"):
            assert stranger.send("GET", f"/console/static/{name}").status_code in {303, 404}

    def test_hostile_text_stays_text(self, workspace: ConsoleWorkspace) -> None:
        browser = HeadlessBrowser(services_of(workspace)).sign_in()
        run_id = workspace.prefect.add(REF, "FAILED", message=HOSTILE)
        workspace.landed(run_id)
        workspace.profiles.save("shop", workspace.profiles.profile("shop").model_copy(update={"name": HOSTILE}))
        pages = [
            browser.get(""),
            browser.get("/endpoints/shop", search=HOSTILE),
            browser.get("/endpoints/shop"),
            browser.get("/unit", endpoint="shop", unit="public.hostile"),
            browser.get("/unit/options", endpoint="site", unit=ISSUES),
            browser.post("/unit/plan", **PLACE),
            browser.get(f"/runs/{run_id}"),
            browser.get("/data/rows", sink="lake", **PLACE, search=HOSTILE),
            browser.get("/data/rows", sink="common", model="cdm.work.item", **{"filter.status": HOSTILE}),
            browser.get("/lineage", search=HOSTILE),
            browser.get("/lineage", dataset=f"shop/{HOSTILE}"),
            browser.get(f"/help/{HOSTILE[:20]}"),
        ]
        for page in pages:
            assert ScriptsFound(page).found == [], page.request.url
            assert "8337" not in page.text, page.request.url
        assert sum("&lt;script&gt;alert" in page.text for page in pages) >= 9

    def test_no_secret_reaches_a_page(self, workspace: ConsoleWorkspace) -> None:
        browser = HeadlessBrowser(services_of(workspace)).sign_in()
        for endpoint_id in ("shop", "lake", "common", "site"):
            text = browser.get(f"/endpoints/{endpoint_id}").text + browser.get(f"/endpoints/{endpoint_id}/live").text
            assert SECRET not in text
            assert not any(token in text for token in TOKENS)

    def test_a_fault_says_nothing_of_itself(self, workspace: ConsoleWorkspace, monkeypatch: Any) -> None:
        browser = HeadlessBrowser(services_of(workspace)).sign_in()

        def broken(*_: Any, **__: Any) -> Any:
            raise RuntimeError(SECRET)

        monkeypatch.setattr("metadata_api.console.client.run_operation", broken)
        for answer in (browser.get("/endpoints/shop"), browser.post("/endpoints/shop/test")):
            assert (answer.status_code, "E_FAULT" in answer.text, SECRET in answer.text) == (500, True, False)


def test_sessions_of_two_ports_do_not_meet(workspace: ConsoleWorkspace) -> None:
    names = set()
    for port in (8400, 8401):
        browser = HeadlessBrowser(services_of(workspace), f"http://127.0.0.1:{port}").sign_in()
        names |= {*browser.cookies}
    assert len(names) == 2
