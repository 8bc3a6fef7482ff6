"""``python -m sandbox.confluence``: a site until standard input ends; the first line says where and how to log in."""

from __future__ import annotations

import argparse
import json
import sys

from sandbox.confluence.server import SandboxConfluence
from sandbox.confluence.site import ConfluenceSite


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.confluence", description=__doc__)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--zone", default="America/New_York", help="of the site")
    options = parser.parse_args()
    site = ConfluenceSite(pages=options.pages, zone=options.zone)
    with SandboxConfluence(site, latency_s=options.latency_ms / 1000) as server:
        access = {"base_url": server.url, "email": server.email, "api_token": server.token}
        sys.stdout.write(json.dumps(access) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
