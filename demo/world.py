"""The demo's world: a source and a sink database, an S3 server, Prefect. It outlives a killed demo."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.local.contexts import running_control_plane
from flows.wiring import Workspace, open_workspace
from sandbox.confluence import ConfluenceSite, SandboxConfluence
from sandbox.data import Writer, create_every_type, fill_pgbench
from sandbox.jira import JiraSite, SandboxJira
from sandbox.onedrive import DriveSite, SandboxOneDrive
from sandbox.postgres import SandboxPostgres
from sandbox.s3 import SandboxS3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE, SINK, BUCKET = "shop", "lake", "nucleus-staging"
PGBENCH_SCALE = 5
TYPE_ROWS = 2_000
SITE, WIKI, DRIVES, CDM = "site", "wiki", "drives", "common"
PARQUET, WAREHOUSE = "parquet", "warehouse"
STAGING = "demo-staging"
PROJECTS, ISSUES = ("AND", "OPS", "WEB"), 1_500
PAGES, FILES = 400, 400
_FILLED = "marks.filled"


@dataclass(frozen=True)
class World:
    """What the demo talks to.

    Attributes:
        postgres: One server with both databases.
        ui_url: Prefect's pages.
        console_url: The operator's console; None where it was not asked for.
        resumed: True when an earlier demo left a filled source behind.
        site: A Jira site.
        wiki: A Confluence site.
        drives: Two drives.
        lake: Folder of the Parquet files and of the Iceberg warehouse.
    """

    postgres: SandboxPostgres
    workspace: Workspace
    ui_url: str
    console_url: str | None
    resumed: bool
    site: SandboxJira
    wiki: SandboxConfluence
    drives: SandboxOneDrive
    lake: Path


@contextmanager
def world(folder: Path, *, console: bool = False) -> Iterator[World]:
    """Everything started (the console only where it is asked for); ended with the context, kept in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        postgres = stack.enter_context(
            SandboxPostgres(data_folder=folder / "postgres", password=_password(folder), durable=True)
        )
        s3 = stack.enter_context(SandboxS3())
        s3.create_bucket(BUCKET)
        resumed = _fill(postgres)
        plane = stack.enter_context(running_control_plane(folder / "nucleus", console=console))
        workspace = stack.enter_context(open_workspace(folder / "nucleus"))
        site = stack.enter_context(SandboxJira(JiraSite(projects=PROJECTS, issues=ISSUES, zone="Asia/Kolkata")))
        wiki = stack.enter_context(SandboxConfluence(ConfluenceSite(spaces=("ENG", "OPS"), pages=PAGES)))
        drives = stack.enter_context(SandboxOneDrive(DriveSite(drives=2, items=FILES)))
        _register(workspace, postgres, s3)
        _register_site(workspace, postgres, site)
        _register_wiki(workspace, wiki)
        _register_drives(workspace, drives)
        _register_lake(workspace, folder / "lake")
        lake = folder / "lake"
        yield World(postgres, workspace, plane.ui_url, plane.console_url, resumed, site, wiki, drives, lake)


def _password(folder: Path) -> str:
    file = folder / "password"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(12))
    return file.read_text()


def _fill(postgres: SandboxPostgres) -> bool:
    """Fill the source once; True when that was done before."""
    names = postgres.psql("SELECT datname FROM pg_database").split()
    for database in (SOURCE, SINK):
        if database not in names:
            postgres.create_database(database)
    if postgres.psql(f"SELECT to_regclass('{_FILLED}') IS NOT NULL", database=SOURCE).strip() == "t":
        return True
    fill_pgbench(postgres, SOURCE, PGBENCH_SCALE)
    postgres.psql("DROP SCHEMA IF EXISTS sandbox CASCADE", database=SOURCE)
    create_every_type(postgres, SOURCE, TYPE_ROWS)
    with Writer(postgres.url(SOURCE)):
        pass
    postgres.psql(f"CREATE SCHEMA marks; CREATE TABLE {_FILLED} (id int)", database=SOURCE)
    return False


def _register(workspace: Workspace, postgres: SandboxPostgres, s3: SandboxS3) -> None:
    """Endpoints and staging as blocks, as an operator would; ports may have changed since the last demo."""
    from prefect_aws import AwsCredentials  # noqa: PLC0415 - more than a second to load
    from prefect_aws.client_parameters import AwsClientParameters  # noqa: PLC0415

    from flows.blocks.s3 import S3StagingBlock  # noqa: PLC0415

    for endpoint_id in (SOURCE, SINK):
        config = {"url": postgres.url(endpoint_id), "exclude_schemas": ("marks",)}
        workspace.endpoints.add(endpoint_id, "jdbc.postgres", config, replace=True)
    credentials = AwsCredentials(
        aws_access_key_id=s3.access_key_id,
        aws_secret_access_key=s3.secret_access_key,
        region_name=s3.region,
        aws_client_parameters=AwsClientParameters(endpoint_url=s3.endpoint_url),
    )
    credentials.save("demo-s3", overwrite=True)
    S3StagingBlock(bucket=BUCKET, credentials=AwsCredentials.load("demo-s3")).save(STAGING, overwrite=True)


def _register_site(workspace: Workspace, postgres: SandboxPostgres, site: SandboxJira) -> None:
    """The Jira site, and the common-model tables beside the raw ones."""
    login = {"base_url": site.url, "email": site.email, "api_token": site.token, "slice_issues": 250}
    workspace.endpoints.add(SITE, "http.jira", login, replace=True)
    workspace.endpoints.add(CDM, "cdm.jdbc", {"url": postgres.url(SINK)}, replace=True)


def _register_wiki(workspace: Workspace, wiki: SandboxConfluence) -> None:
    """The Confluence site, as a part of the same system as the Jira site: people and issues then have one id."""
    login = {"base_url": wiki.url, "email": wiki.email, "api_token": wiki.token, "source_system": "jira"}
    workspace.endpoints.add(WIKI, "http.confluence", login, replace=True)


def _register_drives(workspace: Workspace, drives: SandboxOneDrive) -> None:
    """Two drives, by id, as an application of the tenant."""
    login = {
        "base_url": drives.url,
        "login_url": drives.login_url,
        "tenant": drives.tenant,
        "client_id": drives.client_id,
        "client_secret": drives.client_secret,
        "drive_ids": [one.drive_id for one in drives.site.drives()],
    }
    workspace.endpoints.add(DRIVES, "http.onedrive", login, replace=True)


def _register_lake(workspace: Workspace, folder: Path) -> None:
    """Two sinks that need no server."""
    workspace.endpoints.add(PARQUET, "object.parquet", {"root": str(folder / PARQUET)}, replace=True)
    url = f"iceberg+sqlite://{(folder / WAREHOUSE).absolute()}"
    workspace.endpoints.add(WAREHOUSE, "warehouse.iceberg", {"url": url}, replace=True)
