"""What the tours talk to, on this machine: a shop's database, a lake, a lending service, a tracker, a wiki, drives."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from sandbox.confluence import ConfluenceSite, SandboxConfluence
from sandbox.data import create_every_type
from sandbox.jira import JiraSite, SandboxJira
from sandbox.mariadb import SandboxMariaDb
from sandbox.onedrive import DriveSite, SandboxOneDrive
from sandbox.openshelf import SandboxOpenshelf, ShelfSite
from sandbox.postgres import SandboxPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP, LAKE = "shop", "lake"
ORDERS, VISITS = 60_000, 250_000
TYPE_ROWS = 200
_SHOP = f"""
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    country char(2) NOT NULL,
    joined_on date NOT NULL,
    notes text
);
COMMENT ON TABLE customers IS 'Who buys';
COMMENT ON COLUMN customers.country IS 'ISO 3166, two letters';
CREATE TYPE order_state AS ENUM ('placed', 'paid', 'sent', 'returned');
CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    state order_state NOT NULL,
    total numeric(12,2) NOT NULL,
    basket jsonb,
    placed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE orders IS 'One basket that somebody put together';
COMMENT ON COLUMN orders.total IS 'With taxes, in euro';
CREATE INDEX ON orders (updated_at);
INSERT INTO customers
SELECT i, (ARRAY['Ada Vogel', 'Kōbō Abe', 'Ines O''Hara', 'Tomás Núñez', 'Mwai Githinji'])[1 + i % 5] || ' ' || i,
       (ARRAY['DE', 'JP', 'IE', 'ES', 'KE'])[1 + i % 5], date '2019-01-01' + i % 2000,
       CASE WHEN i % 3 = 0 THEN 'calls on ' || (ARRAY['Monday', 'Tuesday', 'Friday'])[1 + i % 3] END
FROM generate_series(1, 2000) i;
INSERT INTO orders
SELECT i, 1 + (i * 7919) % 2000, (ARRAY['placed', 'paid', 'sent', 'returned'])[1 + (i * 31) % 4]::order_state,
       ((i * 137) % 90000 + 99)::numeric / 100,
       CASE WHEN i % 4 <> 0 THEN jsonb_build_object('items', 1 + i % 6, 'gift', i % 9 = 0) END,
       timestamptz '2025-01-01' + i * interval '7 minutes', timestamptz '2025-01-01' + i * interval '8 minutes'
FROM generate_series(1, {ORDERS}) i;
CREATE TABLE visits AS
SELECT i::bigint AS id, 1 + (i * 7919) % 2000 AS customer_id, timestamptz '2025-01-01' + i * interval '2 minutes' AS at,
       '/shelf/' || i % 97 || '/book/' || i % 1777 || '?from=letter&of=' || i % 52 AS page
FROM generate_series(1, {VISITS}) i;
ALTER TABLE visits ADD PRIMARY KEY (id);
COMMENT ON TABLE visits IS 'Somebody looked at a page';
ANALYZE;
"""

_GOODS = """
CREATE TABLE goods (
    id int PRIMARY KEY, name varchar(40) NOT NULL, price decimal(10,2), on_sale tinyint(1), hours time, delivered date,
    changed timestamp(6) NOT NULL DEFAULT NOW(6) ON UPDATE NOW(6), KEY (changed)
) COMMENT 'What can be bought';
INSERT INTO goods (id, name, price, on_sale, hours, delivered)
SELECT seq, CONCAT('thing ', seq), seq / 4, seq % 2, SEC_TO_TIME(seq * 60), '2026-01-01' + INTERVAL seq % 300 DAY
FROM seq_1_to_20000;
ANALYZE TABLE goods
"""


@contextmanager
def sandboxes() -> Iterator[dict[str, str]]:
    """Everything started, ended with the context. Gives what the tours' ``parameters`` cells ask for, by name."""
    with (
        ExitStack() as stack,
        SandboxPostgres() as postgres,
        SandboxOpenshelf(ShelfSite(), latency_s=0.003) as shelf,
        SandboxJira(JiraSite(projects=("AND", "OPS", "WEB"), issues=600, zone="Asia/Kolkata")) as site,
        SandboxConfluence(ConfluenceSite(pages=150)) as wiki,
        SandboxOneDrive(DriveSite(drives=3, items=120)) as drives,
    ):
        shop, lake = postgres.create_database(SHOP), postgres.create_database(LAKE)
        postgres.psql(_SHOP, database=SHOP)
        create_every_type(postgres, SHOP, TYPE_ROWS)
        mysql = {} if SandboxMariaDb.missing() else {"mysql_url": _filled(stack.enter_context(SandboxMariaDb()))}
        yield {
            **mysql,
            "shop_url": shop,
            "lake_url": lake,
            "openshelf_url": shelf.url,
            "openshelf_token": shelf.token,
            "jira_url": site.url,
            "jira_email": site.email,
            "jira_token": site.token,
            "confluence_url": wiki.url,
            "confluence_email": wiki.email,
            "confluence_token": wiki.token,
            "onedrive_url": drives.url,
            "onedrive_login_url": drives.login_url,
            "onedrive_tenant": drives.tenant,
            "onedrive_client_id": drives.client_id,
            "onedrive_client_secret": drives.client_secret,
            "onedrive_drive_ids": ",".join(one.drive_id for one in drives.site.drives()),
        }


def _filled(mariadb: SandboxMariaDb) -> str:
    """The URL of a shop of another kind."""
    url = mariadb.create_database(SHOP)
    mariadb.run(*_GOODS.split(";"), database=SHOP)
    return url
