"""An operator's way in a real browser: from signing in to rows on the screen, without a command line."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.metadata_api.conftest import TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from flows.local.control_plane import LocalControlPlane
    from sandbox.postgres import SandboxPostgres

CHROMIUM = shutil.which("chromium")
SHOTS = os.environ.get("NUCLEUS_SHOTS")
"""A folder for a picture of each page, light and dark, for whoever wants to look."""
ROWS = 1_200
WAIT_MS = 60_000.0

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: install the package chromium")


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a browser; what it complains of fails the test."""
    complaints: list[str] = []
    with sync_playwright() as tool:
        flags = ["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"]
        browser = tool.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        opened = browser.new_page()
        opened.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        yield opened
        browser.close()
    assert complaints == []


def shoot(page: Page, name: str) -> None:
    if SHOTS is None:
        return
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.screenshot(path=Path(SHOTS) / f"{name}-{scheme}.png", full_page=True)


@pytest.mark.slow(60)
def test_from_signing_in_to_rows_on_the_screen(
    page: Page, control_plane: LocalControlPlane, postgres: SandboxPostgres, two_databases: tuple[str, str]
) -> None:
    source, sink = (url.rpartition("/")[2] for url in two_databases)
    postgres.psql(
        "CREATE TABLE public.orders (id int PRIMARY KEY, note text);"
        f"INSERT INTO public.orders SELECT g, 'order ' || g || repeat('.', 300) FROM generate_series(1, {ROWS}) g;"
        "UPDATE public.orders SET note = '<img src=x onerror=\"document.title=''run''\">' WHERE id = 1; ANALYZE",
        database=source,
    )
    sign_in(page, f"{control_plane.console_url}")
    shoot(page, "overview")
    names = [
        add(page, f"Journey {name} {postgres.port}", url)
        for name, url in zip((source, sink), two_databases, strict=True)
    ]
    collect(page, names[0])
    page.get_by_role("link", name="public.orders").click()
    configure(page, names[1])
    look_at_the_plan(page)
    run_it(page)
    look_at_the_rows(page)
    look_around(page, f"{control_plane.console_url}", names[0])


def sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/add?role=source")
    expect(page).to_have_url(re.compile("/console/sign-in"))
    shoot(page, "sign-in")
    page.keyboard.type(TOKENS["admin"])  # the field has the focus
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Add a source")).to_be_visible()
    shoot(page, "templates")


def add(page: Page, name: str, url: str) -> str:
    page.get_by_role("link", name="Add endpoint").first.click()
    page.get_by_role("link", name=re.compile("jdbc.postgres")).click()
    page.locator("[name=name]").fill(name)
    page.locator("[name='config.url']").fill(url)
    page.get_by_role("button", name="Test the connection").click()
    expect(page.get_by_text("It works").last).to_be_visible()
    shoot(page, "endpoint-new")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_text("is saved")).to_be_visible()
    return name


def collect(page: Page, name: str) -> None:
    page.goto(page.url.rpartition("/endpoints/")[0])
    page.get_by_role("link", name=name).first.click()
    expect(page.get_by_text("it was not collected yet")).to_be_visible()
    page.get_by_role("button", name="Collect catalog").click()
    expect(page.get_by_text("is being collected").last).to_be_visible()
    expect(page.get_by_role("link", name="public.orders")).to_be_visible()  # it came by itself
    shoot(page, "endpoint")


def configure(page: Page, sink: str) -> None:
    expect(page.get_by_text("has no sink yet")).to_be_visible()
    sinks = page.locator("[name=sink_id]")
    sinks.select_option(label=next(each for each in sinks.locator("option").all_inner_texts() if slug(sink) in each))
    page.get_by_text("Policy: slices").click()
    page.locator("[name=slice_mib]").fill("0.0625")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("The settings are saved")).to_be_visible()
    shoot(page, "unit")


def look_at_the_plan(page: Page) -> None:
    page.get_by_role("button", name="Show what a run would read").click()
    expect(page.locator("#unit-plan svg rect").nth(1)).to_be_visible()
    shoot(page, "plan")


def run_it(page: Page) -> None:
    start = page.get_by_role("button", name="Start")
    start.focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Watch the run").click()
    expect(page.locator("#run-live .badge")).to_have_text("succeeded")  # without a reload
    expect(page.get_by_text("Staged in")).to_be_visible()
    shoot(page, "run")


def look_at_the_rows(page: Page) -> None:
    page.get_by_role("link", name="Look at them").click()
    expect(page.locator("tbody tr")).to_have_count(50)
    assert page.locator("tbody img").count() == 0
    assert "onerror" in page.locator("tbody tr").first.inner_text()
    assert page.title() != "run"
    shoot(page, "rows")
    page.get_by_role("link", name="Later").click()
    expect(page.get_by_text("rows 51 to 100")).to_be_visible()
    page.get_by_label("Search rows").fill("ORDER 77.")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)


def look_around(page: Page, url: str, source: str) -> None:
    page.goto(f"{url}/lineage?dataset={slug(source)}/public.orders&columns=1")
    expect(page.locator("svg.lineage .box").first).to_be_visible()
    shoot(page, "lineage")
    page.goto(f"{url}/data")
    expect(page.get_by_role("link", name="public.orders").first).to_be_visible()
    shoot(page, "data")
    page.goto(f"{url}/help/E_SOURCE_AUTH")
    shoot(page, "help")
    page.goto(url)
    expect(page.locator(".tile.succeeded b")).not_to_have_text("0")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
