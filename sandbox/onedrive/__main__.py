"""``python -m sandbox.onedrive``: drives until standard input ends; the first line says where and how to log in."""

from __future__ import annotations

import argparse
import json
import sys

from sandbox.onedrive.server import SandboxOneDrive
from sandbox.onedrive.site import DriveSite


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.onedrive", description=__doc__)
    parser.add_argument("--drives", type=int, default=2)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    options = parser.parse_args()
    site = DriveSite(options.drives, options.items, options.seed)
    with SandboxOneDrive(site, latency_s=options.latency_ms / 1000) as server:
        access = {
            "base_url": server.url,
            "login_url": server.login_url,
            "tenant": server.tenant,
            "client_id": server.client_id,
            "client_secret": server.client_secret,
            "drives": [one.drive_id for one in site.drives()],
        }
        sys.stdout.write(json.dumps(access) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
